"""The labels of each split: their range, counts, and what no row has."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from merbench.api.material.corpus import Corpus, Task
from merbench.data.audit.findings import Finding
from merbench.data.audit.split_overlap import Groups
from merbench.data.labels.histogram import Histogram, histogram


@dataclass(frozen=True)
class Labels(Histogram):
    """One target over one split. ``unlabelled``: rows without any known label; of a multilabel
    task ``unknown`` counts those that lack one.
    """

    task: str
    protocol: str
    split: str
    unlabelled: int


def labels_of_splits(corpus: Corpus, groups: dict[str, Groups]) -> Iterator[Labels]:
    for task_name, task in corpus.tasks.items():
        for protocol, parts in groups.items():
            for k, split in enumerate(parts.names):
                rows = np.flatnonzero(parts.group_N == k)
                yield Labels(
                    **vars(histogram(task, rows)),
                    task=task_name,
                    protocol=protocol,
                    split=split,
                    unlabelled=_unlabelled(task, rows),
                )


def _unlabelled(task: Task, rows: np.ndarray) -> int:
    known = task.is_known(rows).reshape(len(rows), -1)
    return int((~known.any(axis=1)).sum())


def label_gaps(labels: tuple[Labels, ...]) -> Iterator[Finding]:
    for of_split in labels:
        if of_split.rows == of_split.unlabelled:
            yield Finding(
                "warning",
                of_split.task,
                f"no row of {of_split.protocol} {of_split.split} has a label of {of_split.task}",
            )
            continue
        if of_split.low is not None and of_split.low == of_split.high:
            yield Finding(
                "warning",
                of_split.task,
                f"every label of {of_split.protocol} {of_split.split} is {of_split.low:g}; "
                "nothing can be scored there",
            )
        n_known = of_split.rows - of_split.unlabelled
        everywhere = [word for word, count in of_split.counts.items() if count == n_known]
        if everywhere and of_split.low is None and sum(of_split.counts.values()) == n_known:
            yield Finding(
                "warning",
                of_split.task,
                f"every label of {of_split.protocol} {of_split.split} is {everywhere[0]}; "
                "whatever says so scores 100 % there",
            )
        absent = [word for word, count in of_split.counts.items() if not count]
        if absent and of_split.low is None:
            yield Finding(
                "warning",
                of_split.task,
                f"{of_split.protocol} {of_split.split} has no row of {', '.join(absent)}",
            )
