"""The rows of a board scored, in several processes where they are many."""

from __future__ import annotations

import math
import operator
from collections import deque
from collections.abc import Sequence
from functools import cached_property
from itertools import islice
from typing import Annotated

import numpy as np
from pydantic import Field

from merbench.api.declarations.config import Config
from merbench.api.processes import cores, each_apart
from merbench.report.scores.board.row_pairs import SHARE, RowValues, values_of
from merbench.report.scores.rows.entries import Entry
from merbench.report.scores.rows.pooled_seeds import by_seed, row_counts
from merbench.report.scores.statistics.intervals import resampler_of
from merbench.report.scores.statistics.means import Summary, over_seeds
from merbench.report.scores.statistics.stacks import Models


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

    @cached_property
    def summary(self) -> dict[str, Summary]:
        return over_seeds(self.seeds.values())


NO_SEED = RowScores(seeds={})
"""Of a row that lacks a whole seed."""


def rows_of(
    entries: Sequence[Entry], values: RowValues, intervals: Sequence[str], models: Models | None
) -> dict[str, RowScores]:
    """Name -> scores of rows, with the ``intervals`` of these metrics. ``values`` of the board's
    rows; those of ``models`` are put there.
    """
    rows, waiting = {}, deque(entries)
    while waiting and models and models.in_one_process:
        entry = waiting.popleft()
        rows[entry.name] = row_of(entry, values, intervals, models)
    jobs = max(1, min(cores(), len(waiting) // SHARE))

    def score(first: int) -> dict[str, RowScores]:
        share = islice(waiting, first, None, jobs)
        return {entry.name: row_of(entry, values, intervals, models) for entry in share}

    for share in each_apart(score, range(jobs), jobs).values():
        rows |= share
    return rows


def row_of(
    entry: Entry, values: RowValues, intervals: Sequence[str], models: Models | None
) -> RowScores:
    board, metrics = values.board, values.board.metrics
    scored = by_seed(entry.records, values.source, metrics, board.folds)
    if not scored:
        return NO_SEED
    first = next(iter(scored.values()))
    ends_of = {}
    sums: dict[object, np.ndarray] = {}
    for metric in intervals:
        on_videos = resampler_of(tuple(first.seen(metric).videos))
        value_RS = values_of(scored, metric, on_videos, sums)
        ends = on_videos.interval(value_RS)
        if not math.isnan(ends.low):
            ends_of[metric] = (ends.low, ends.high)
        # Two rows may have one name where records were changed by hand, as verify has to see.
        is_of_model = models and models.seeds.get(entry.name) == list(scored)
        if models and is_of_model and metric == values.metric:
            models.put(entry.name, value_RS, on_videos)
    return RowScores(
        seeds={seed: dict(sorted(s.metrics.items())) for seed, s in scored.items()},
        intervals=ends_of,
        rows=len(first.rows.ids),
        videos=len(set(first.rows.videos)),
        nonzero=row_counts(scored).nonzero if board.kind == "score" else 0,
    )
