"""Rows of a board against each other, as scores.json has it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import cached_property

import numpy as np

from merbench.api.declarations.config import Config
from merbench.api.declarations.metrics import SumMetric
from merbench.api.processes import cores
from merbench.report.scores.rows.entries import Board, Entry
from merbench.report.scores.rows.pooled_seeds import Scored, by_seed, whole_seeds
from merbench.report.scores.runs_of_a_store import Source
from merbench.report.scores.statistics.every_pair import every_pair
from merbench.report.scores.statistics.intervals import Resampler, resampler_of
from merbench.report.scores.statistics.p_values import ALPHA
from merbench.report.scores.statistics.pair_tests import EveryPair, PairTest
from merbench.report.scores.statistics.stacks import Models

SHARE = 50
"""Fewer rows than this take less time than a process of their own."""


class Comparison(Config):
    """A row minus the row ``against`` it: ``difference`` (mean, low, high), sign-flip ``p``,
    ``p_interval`` that inverts the interval, and ``p_adjusted``: one p of both, corrected.
    """

    against: str = ""
    difference: tuple[float, float, float] | None = None
    p: float | None = None
    p_interval: float | None = None
    p_adjusted: float | None = None

    @property
    def significant(self) -> bool:
        return self.p_adjusted is not None and self.p_adjusted < ALPHA

    @classmethod
    def of(cls, test: PairTest | None, against: str) -> Comparison:
        """Empty where two rows cannot be compared."""
        if test is None:
            return cls(against=against)
        if math.isnan(test.low):
            return cls(against=against, p=test.p)
        return cls(
            against=against,
            difference=(test.mean, test.low, test.high),
            p=test.p,
            p_interval=test.p_interval,
            p_adjusted=test.p_adjusted,
        )


class RowValues:
    """One metric of a board's rows, all on the same resamples of videos. ``entries`` by name."""

    def __init__(
        self, entries: Mapping[str, Entry], source: Source, board: Board, metric: str
    ) -> None:
        self.entries, self.source, self.board, self.metric = entries, source, board, metric
        self.seeds = {
            name: list(whole_seeds(entry.records, board.folds)) for name, entry in entries.items()
        }

    def __call__(self, name: str) -> np.ndarray:
        """[1 + R, S] the metric of each seed on the rows as they are, and on each resample."""
        return values_of(self._scored(name), self.metric, self.resampler)

    def models(self, names: Sequence[str]) -> Models | None:
        """Those of the rows that have a whole seed; None where none has."""
        formula = self.board.metrics[self.metric].value
        seeds = {name: self.seeds[name] for name in names if self.seeds[name]}
        if not seeds:
            return None
        return Models(seeds, self.resampler, self.resampler.resamples(formula))

    def tests(self, names: Sequence[str], models: Models | None = None) -> EveryPair:
        """Of all pairs of rows that have a whole seed; ``models``: those of the same names, as far
        as they are there.
        """
        if len(names) < 2:
            return EveryPair(names)
        models = models or self.models(names)
        assert models
        jobs = max(1, min(cores(), len(names) // SHARE))
        return every_pair(models, names, self, jobs)

    @cached_property
    def resampler(self) -> Resampler:
        name = next(name for name, seeds in self.seeds.items() if seeds)
        first = next(iter(self._scored(name).values()))
        return resampler_of(tuple(first.seen(self.metric).videos))

    def _scored(self, name: str) -> dict[int, Scored]:
        records, board = self.entries[name].records, self.board
        return by_seed(records, self.source, board.metrics, board.folds, names=())


def values_of(
    scored: Mapping[int, Scored],
    metric: str,
    on_videos: Resampler,
    sums: dict[object, np.ndarray] | None = None,
) -> np.ndarray:
    """[1 + R, S] the ``metric`` of each seed on the rows as they are, and on each resample.
    ``sums``: those of the row's metrics that are known, for several have the same.
    """
    first, sums = next(iter(scored.values())), {} if sums is None else sums
    definition, target = first.task[metric], first.seen(metric).target

    def predictions() -> np.ndarray:
        return np.stack([s.read_by(metric) for s in scored.values()])

    formula = definition.value
    if not isinstance(formula, SumMetric):
        return on_videos.values(formula, target, predictions())
    key = formula.rows, definition.reads, definition.kinds
    if key not in sums:
        sums[key] = on_videos.sums(formula, target, predictions())
    return formula.value(sums[key]).T
