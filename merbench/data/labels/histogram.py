"""The labels of some rows as ranges and counts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from merbench.api.material.corpus import Task

FEW = 12
OFTEN = 5
"""A score of at most ``FEW`` values is counted value by value, where ``OFTEN`` rows, on average,
have each.
"""


@dataclass(frozen=True)
class Histogram:
    """``unknown``: rows that lack a label. ``low``, ``high``, ``mean``: of a score. ``counts``:
    value or word -> rows; a score of many values is counted at its nearest anchor.
    """

    rows: int
    unknown: int
    low: float | None
    high: float | None
    mean: float | None
    counts: dict[str, int]


def histogram(task: Task, rows: np.ndarray) -> Histogram:
    """Of the known labels of these rows (row numbers); not of a joint task."""
    target, words = task.target[rows], task.space.words
    known = task.is_known(rows)
    low = high = mean = None
    if task.space.kind == "multilabel":
        positive_NC = (target > 0.5) & known
        counts = {word: int(positive_NC[:, c].sum()) for c, word in enumerate(words)}
    elif task.space.kind == "class":
        counts = {word: int(((target == c) & known).sum()) for c, word in enumerate(words)}
    else:
        y = target[known]
        if len(y):
            low, high, mean = (round(float(v), 4) for v in (y.min(), y.max(), y.mean()))
        values_C = _values(task)
        nearest = np.abs(y[:, None] - values_C).argmin(axis=1)
        names = _distinct_names(values_C)
        counts = {name: int((nearest == c).sum()) for c, name in enumerate(names)}
    return Histogram(len(rows), task.count_incomplete(rows), low, high, mean, counts)


def _values(task: Task) -> np.ndarray:
    """Those that a score has in all of its data set where these are few (CH-SIMS: steps of .2)."""
    known_labels = task.target[task.is_known()]
    values = np.unique(known_labels.round(6) + 0.0)
    few = 0 < len(values) <= min(FEW, len(known_labels) / OFTEN)
    return values if few else np.array(task.space.anchors)


def _distinct_names(values_C: np.ndarray) -> list[str]:
    """With as few digits as tell them apart, and three where these do: one name is one count."""
    for digits in range(3, 18):
        names = [f"{value:.{digits}g}" for value in values_C]
        if len(set(names)) == len(names):
            break
    return names
