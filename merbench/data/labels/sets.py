"""Other label words to read a trained model with, from a TOML file: one table a set, its keys the
words.

A score: the value that each word stands for. A class or multilabel task: which of the run's own
labels. ::

    [two]
    negative = -2.0
    positive = 2.0

    [synonyms]
    # The gloss is read where the run reads glosses.
    awful = { value = -3.0, gloss = "a terrible experience" }
    lovely = 3.0

    [faces]
    smiling = "happy"
    crying = "sad"
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

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
        path,
        "give a file with a table of words for each label set, as merbench generalise --help shows",
    )
    if not tables:
        raise DataError(f"{path} holds no label set; write one as [NAME] with WORD = VALUE lines")
    return [_label_set(path, name, table, own) for name, table in tables.items()]


def _label_set(path: Path, name: str, table: Any, own: LabelSpace) -> LabelSet:
    if not isinstance(table, dict):
        raise DataError(
            f"{path}: {name!r} stands outside a set; write it under a heading such as [two]"
        )
    heading = f"{path}, [{name}]"
    entries = [_entry(heading, word, value, own) for word, value in table.items()]
    if len(entries) < 2:
        raise DataError(f"{heading}: a label set needs two words or more")
    if own.anchors:
        return LabelSet(name, _ordinal_space(heading, entries, own))
    return LabelSet(name, *_named_space(heading, entries, own))


class _Entry(NamedTuple):
    """``value``: the anchor of a score, or the own label, that the word stands for."""

    word: str
    gloss: str
    value: Any


def _entry(heading: str, word: str, value: Any, own: LabelSpace) -> _Entry:
    """``value``: as the file has it, alone or beside a gloss."""
    fields = value if isinstance(value, dict) else {"value": value}
    if unknown := [key for key in fields if key not in ("value", "gloss")]:
        advice = did_you_mean(unknown[0], ("value", "gloss"))
        raise DataError(f"{heading}: unknown key {unknown[0]!r} of {word!r}; {advice}")
    entry = _Entry(word, fields.get("gloss", word), fields.get("value"))
    is_text = isinstance(entry.gloss, str) and entry.gloss.strip() and word.strip()
    if not is_text or not _stands_for(entry.value, own):
        raise DataError(
            f"{heading}: {word!r} = {str(value)[:40]} does not fit; "
            f'write {word!r} = {_wanted(own)}, or {{ value = ..., gloss = "..." }}'
        )
    return entry


def _stands_for(value: Any, own: LabelSpace) -> bool:
    """Whether a word of this value can be read out as one of the run's own labels."""
    if not own.anchors:
        return value in own.words
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and own.anchors[0] <= value <= own.anchors[-1]


def _wanted(own: LabelSpace) -> str:
    if not own.anchors:
        return f"one of {', '.join(own.words)}"
    return f"its value, between {own.anchors[0]:g} and {own.anchors[-1]:g}"


def _ordinal_space(heading: str, entries: Sequence[_Entry], own: LabelSpace) -> LabelSpace:
    """Of a score: the words in the order of their values."""
    ordered = sorted(entries, key=lambda entry: float(entry.value))
    anchors = tuple(float(entry.value) for entry in ordered)
    if len(set(anchors)) < len(anchors):
        raise DataError(f"{heading}: two words have one value; give each word a value of its own")
    words, glosses = (tuple(texts) for texts in zip(*(entry[:2] for entry in ordered), strict=True))
    return LabelSpace(own.kind, words, glosses, anchors)


def _named_space(
    heading: str, entries: Sequence[_Entry], own: LabelSpace
) -> tuple[LabelSpace, tuple[int, ...]]:
    """Of classes or labels: the space, and the own label that each word stands for."""
    values = [entry.value for entry in entries]
    if lacking := [word for word in own.words if word not in values]:
        raise DataError(
            f"{heading}: no word has the label {', '.join(lacking)}; "
            "give each of the run's labels a word"
        )
    words, glosses = (tuple(texts) for texts in zip(*(entry[:2] for entry in entries), strict=True))
    return LabelSpace(own.kind, words, glosses), tuple(own.words.index(v) for v in values)
