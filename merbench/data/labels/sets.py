"""Other label words to read a trained model with, from a TOML file: one table a set, its keys the
words.

A score: the value that each word stands for. A class or multilabel task: which of the run's own
labels. ::

    [two]
    negative = -2.0
    positive = 2.0

    [synonyms]
    "awful" = { value = -3.0, gloss = "a terrible experience" }      # the gloss is read where the
    run reads glosses ...

    [faces]
    smiling = "happy"
    crying = "sad"
    ...
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from merbench.api.did_you_mean import did_you_mean
from merbench.api.errors import DataError
from merbench.api.material.types import LabelSpace
from merbench.data.folder.toml_section import read_toml


@dataclass(frozen=True)
class LabelSet:
    """A label space beside the run's own. ``of`` [W]: of a class or multilabel task, the own label
    that each word stands for.
    """

    name: str
    space: LabelSpace
    of: tuple[int, ...] = ()

    def own(self, p: np.ndarray) -> np.ndarray:
        """Predictions in this space [N] or [N, W] -> in the run's own: a score as it is; of the
        words of a label, a class sums the probabilities and a multilabel task takes the highest."""
        if not self.of:
            return p
        combine = np.sum if self.space.kind == "class" else np.max
        of = np.array(self.of)
        return np.stack(
            [combine(p[:, of == label], axis=1) for label in range(max(of) + 1)], axis=1
        )


def read_label_sets(path: Path, own: LabelSpace) -> list[LabelSet]:
    """Every set of the file. DataError, naming the set and the fix, for what does not fit the
    run's ``own`` labels.
    """
    if own.parts:
        raise DataError(
            f"the label sets of {path} are for one task, and this run has two at once; "
            "choose one of them with --task"
        )
    tables = read_toml(
        path, "give a file with a table of words for each label set, as the README shows"
    )
    if not tables:
        raise DataError(f"{path} holds no label set; write one as [NAME] with WORD = VALUE lines")
    return [_label_set(path, name, table, own) for name, table in tables.items()]


def _label_set(path: Path, name: str, table: Any, run_space: LabelSpace) -> LabelSet:
    def error(sentence: str) -> DataError:
        return DataError(f"{path}, [{name}]: {sentence}")

    if not isinstance(table, dict):
        raise DataError(
            f"{path}: {name!r} stands outside a set; write it under a heading such as [two]"
        )
    low, high = (
        (run_space.anchors[0], run_space.anchors[-1]) if run_space.anchors else (math.nan, math.nan)
    )
    want = (
        f"the value it stands for, between {low:g} and {high:g}"
        if run_space.anchors
        else f"one of {', '.join(run_space.words)}"
    )
    values: list[Any] = []
    words, glosses = list[str](), list[str]()
    for word, entry in table.items():
        more = entry if isinstance(entry, dict) else {"value": entry}
        if unknown := [key for key in more if key not in ("value", "gloss")]:
            advice = did_you_mean(unknown[0], ("value", "gloss"))
            raise error(f"unknown key {unknown[0]!r} of {word!r}; {advice}")
        value, gloss = more.get("value"), more.get("gloss", word)
        if run_space.anchors:
            fits = (
                isinstance(value, int | float)
                and not isinstance(value, bool)
                and low <= value <= high
            )
        else:
            fits = value in run_space.words
        if not fits or not isinstance(gloss, str) or not gloss.strip() or not word.strip():
            raise error(
                f"{word!r} = {str(entry)[:40]} does not fit; "
                f'write {word!r} = {want}, or {{ value = ..., gloss = "..." }}'
            )
        values.append(value)
        words.append(word)
        glosses.append(gloss)
    if len(words) < 2:
        raise error("a label set needs two words or more")
    if run_space.anchors:
        order = sorted(range(len(words)), key=lambda i: float(values[i]))
        anchors = tuple(float(values[i]) for i in order)
        if len(set(anchors)) < len(anchors):
            raise error("two words stand for one value; give each word a value of its own")
        space = LabelSpace(
            run_space.kind,
            tuple(words[i] for i in order),
            tuple(glosses[i] for i in order),
            anchors,
        )
        return LabelSet(name, space)
    if lacking := [word for word in run_space.words if word not in values]:
        raise error(
            f"no word stands for {', '.join(lacking)}; give each of the run's labels a word"
        )
    return LabelSet(
        name,
        LabelSpace(run_space.kind, tuple(words), tuple(glosses)),
        tuple(run_space.words.index(value) for value in values),
    )
