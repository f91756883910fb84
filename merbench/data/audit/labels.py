"""The labels of each split: their range, counts, and what no row has."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from merbench.api.material.corpus import Corpus
from merbench.data.audit.findings import Finding
from merbench.data.audit.split_overlap import Groups
from merbench.data.labels.histogram import histogram


@dataclass(frozen=True)
class Labels:
    """One target over one split. ``histogram``: value or word -> rows, as ``histogram`` counts."""

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
                counted = histogram(task, np.flatnonzero(parts.group_N == k))
                yield Labels(
                    task_name,
                    protocol,
                    split,
                    counted.rows,
                    counted.unknown,
                    counted.low,
                    counted.high,
                    counted.mean,
                    counted.counts,
                )


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
