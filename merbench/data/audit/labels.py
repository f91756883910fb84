"""The labels of each split: their range, counts, and what no row has."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from merbench.api.material.corpus import Corpus, Task
from merbench.data.audit.findings import Finding
from merbench.data.audit.parts import Groups


@dataclass(frozen=True)
class Labels:
    """One target over one split. ``histogram``: value (a score to the nearest whole number) or word
    -> rows.
    """

    task: str
    protocol: str
    split: str
    rows: int
    unknown: int
    low: float | None
    high: float | None
    mean: float | None
    histogram: dict[str, int]


def labels_of_splits(corpus: Corpus, groups: dict[str, Groups]) -> Iterator[Labels]:
    for task_name, task in corpus.tasks.items():
        for protocol, parts in groups.items():
            for k, split in enumerate(parts.names):
                yield _labels_of(
                    task_name, task, protocol, split, np.flatnonzero(parts.group_N == k)
                )


def _labels_of(name: str, task: Task, protocol: str, split: str, rows: np.ndarray) -> Labels:
    target = task.target[rows]
    known = task.is_known(rows)
    low = high = mean = None
    if task.space.kind == "multilabel":
        histogram = {
            word: int(((target[:, c] > 0.5) & known[:, c]).sum())
            for c, word in enumerate(task.space.words)
        }
    elif task.space.kind == "class":
        histogram = {
            word: int(((target == c) & known).sum()) for c, word in enumerate(task.space.words)
        }
    else:
        assert task.space.anchors is not None
        y = target[known]
        if len(y):
            low, high, mean = (round(float(v), 4) for v in (y.min(), y.max(), y.mean()))
        nearest = np.abs(y[:, None] - np.array(task.space.anchors)).argmin(axis=1)
        histogram = {f"{a:g}": int((nearest == c).sum()) for c, a in enumerate(task.space.anchors)}
    unknown = task.count_incomplete(rows)
    return Labels(name, protocol, split, len(rows), unknown, low, high, mean, histogram)


def label_gaps(labels: tuple[Labels, ...]) -> Iterator[Finding]:
    for counts in labels:
        if counts.rows == counts.unknown:
            yield Finding(
                "warning",
                counts.task,
                f"no row of {counts.protocol} {counts.split} has a label of {counts.task}",
            )
            continue
        if counts.low is not None and counts.low == counts.high:
            yield Finding(
                "warning",
                counts.task,
                f"every label of {counts.protocol} {counts.split} is {counts.low:g}; "
                "nothing can be scored there",
            )
        n_known = counts.rows - counts.unknown
        everywhere = [word for word, count in counts.histogram.items() if count == n_known]
        if everywhere and counts.low is None and sum(counts.histogram.values()) == n_known:
            yield Finding(
                "warning",
                counts.task,
                f"every label of {counts.protocol} {counts.split} is {everywhere[0]}; "
                "whatever says so scores 100 % there",
            )
        absent = [word for word, count in counts.histogram.items() if not count]
        if absent and counts.low is None:
            yield Finding(
                "warning",
                counts.task,
                f"{counts.protocol} {counts.split} has no row of {', '.join(absent)}",
            )
