"""The rows of a board scored, in several processes where they are many."""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from typing import Annotated

import numpy as np
from pydantic import Field

from merbench.api.declarations.config import Config
from merbench.api.processes import cores, each_apart
from merbench.report.scores.rows.entries import Board, Entry
from merbench.report.scores.rows.pooled_seeds import by_seed, row_counts
from merbench.report.scores.source import Source
from merbench.report.scores.statistics.intervals import interval
from merbench.report.scores.statistics.means import Summary, summarise

SHARE = 50
"""Fewer rows than this take less time than a process of their own."""


class RowScores(Config):
    """``seeds``: seed -> metric -> score on its pooled test rows. ``intervals``: metric -> 95 %
    interval of its mean.
    """

    seeds: dict[int, dict[str, float | None]]
    intervals: dict[str, tuple[float, float]] = {}
    rows: int = 0
    videos: int = 0
    nonzero: Annotated[int, Field(exclude_if=operator.not_)] = 0
    """Rows whose score is not 0, where the task is one score."""

    @property
    def summary(self) -> dict[str, Summary]:
        summaries = {
            m: summarise([s.get(m) for s in self.seeds.values()])
            for m in dict.fromkeys(m for s in self.seeds.values() for m in s)
        }
        return {m: s for m, s in summaries.items() if s.n}


NO_SEED = RowScores(seeds={})
"""Of a row that lacks a whole seed."""


def rows_of(
    entries: Sequence[Entry], source: Source, board: Board, intervals: Sequence[str]
) -> dict[str, RowScores]:
    """Name -> scores, of rows of ``board``, with the ``intervals`` of these metrics."""
    jobs = max(1, min(cores(), len(entries) // SHARE))

    def score(first: int) -> dict[str, RowScores]:
        return {
            entry.name: row_of(entry, source, board, intervals) for entry in entries[first::jobs]
        }

    shares = each_apart(score, range(jobs), jobs)
    return {name: row for share in shares.values() for name, row in share.items()}


def row_of(entry: Entry, source: Source, board: Board, intervals: Sequence[str]) -> RowScores:
    metrics = board.metrics
    scored = by_seed(entry.records, source, metrics, board.folds)
    if not scored:
        return NO_SEED
    first = next(iter(scored.values())).rows
    ends_of = {}
    for metric in intervals:
        scored_rows = next(iter(scored.values())).seen(metric)
        predictions = np.stack([s.read_by(metric) for s in scored.values()])
        ends = interval(metrics[metric].value, scored_rows.target, predictions, scored_rows.videos)
        if not math.isnan(ends.low):
            ends_of[metric] = (ends.low, ends.high)
    return RowScores(
        seeds={seed: dict(sorted(s.metrics.items())) for seed, s in scored.items()},
        intervals=ends_of,
        rows=len(first.ids),
        videos=len(set(first.videos)),
        nonzero=row_counts(scored).nonzero if board.kind == "score" else 0,
    )
