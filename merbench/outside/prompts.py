"""Prompts for a language model: transcript and label words of each row, never its target."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from merbench.api.errors import DataError, RequestError
from merbench.api.material.corpus import Corpus
from merbench.api.material.types import LabelSpace
from merbench.outside.rows import require_known
from merbench.results.files import write_output
from merbench.results.records.sealed import DamagedError, require_file

TEMPLATES = {
    "score": """How does the speaker of this utterance feel? Utterance: "{text}"
Give one number on this scale: {labels}. Answer with the number and nothing else.""",
    "class": """How does the speaker of this utterance feel? Utterance: "{text}"
Choose one of these labels: {labels}. Answer with the label and nothing else.""",
    "multilabel": """How does the speaker of this utterance feel? Utterance: "{text}"
Choose all that apply of these labels: {labels}. Answer with the labels, comma between, or none.""",
}


def read_template(path: Path) -> str:
    """DataError where it cannot be read or lacks the place of the transcript."""
    try:
        require_file(path)
        template = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError, DamagedError) as error:
        not_utf8 = isinstance(error, UnicodeDecodeError)
        reason = "it is not UTF-8" if not_utf8 else getattr(error, "strerror", None) or error
        raise DataError(f"--template {path} cannot be read ({reason})") from None
    if "{text}" not in template:
        raise DataError(
            f"--template {path} has no {{text}}, where the transcript goes; {{labels}} are the "
            "label words"
        )
    return template.rstrip("\n")


def write_prompts(
    out: Path, corpus: Corpus, task: str, protocol: str, part: str, template: str | None = None
) -> int:
    """One JSON object a line, ``{"id": ..., "prompt": ...}``, for each row of a part ("valid" or
    "test") whose target is known, over all folds; the number of rows.

    RequestError where the data set has no transcripts, or no known target there, or the task is two
    at once.
    """
    goal = corpus.offered[task]
    if goal.space.parts:
        raise RequestError(f"task {task} is two tasks at once; ask for each alone, with --task")
    require_known(corpus, task, protocol, part)
    splits = corpus.protocols[protocol].splits
    all_rows = np.unique(np.concatenate([getattr(split, part) for split in splits]))
    rows = goal.known_rows(all_rows)
    if not any(str(text).strip() for text in corpus.texts[rows]):
        raise RequestError(
            f"dataset {corpus.name} has no transcripts of its {part} rows, so that there is "
            "nothing to ask about"
        )
    prompt = (template or TEMPLATES[goal.space.kind]).replace("{labels}", _labels(goal.space))
    lines = [
        {"id": str(corpus.ids[row]), "prompt": prompt.replace("{text}", str(corpus.texts[row]))}
        for row in rows
    ]
    text = "".join(f"{json.dumps(line, ensure_ascii=False)}\n" for line in lines)
    write_output(out, text.encode())
    return len(lines)


def _labels(space: LabelSpace) -> str:
    if space.anchors is None:
        return ", ".join(space.words)
    return ", ".join(f"{a:g} = {w}" for a, w in zip(space.anchors, space.words, strict=True))
