"""Rows of a board against each other: each row is resampled once, however many pairs it is in."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import cache

import numpy as np

from merbench.api.declarations.config import Config
from merbench.report.scores.entries import Board, Entry
from merbench.report.scores.source import Source
from merbench.report.scores.statistics import ALPHA, Resampler, sign_flip
from merbench.report.scores.summary import Scored, by_seed


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


class Pairs:
    """Paired tests by one metric. ``entries`` by name."""

    def __init__(
        self, entries: Mapping[str, Entry], source: Source, board: Board, metric: str
    ) -> None:
        self.entries, self.source, self.board, self.metric = entries, source, board, metric
        self._resampler: Resampler | None = None
        self._values = cache(self._values_of)

    def compare(self, base: str, other: str) -> Comparison:
        """Other minus base, uncorrected, over the seeds that both have; empty where they have none,
        or the metric is undefined on one.
        """
        ours, theirs = self._values(other), self._values(base)
        if not (seeds := sorted(ours.keys() & theirs.keys())):
            return Comparison()
        a_RS, b_RS = (np.stack([side[s] for s in seeds], axis=1) for side in (ours, theirs))
        each = a_RS[0] - b_RS[0]
        if np.isnan(each).any():
            return Comparison()
        assert self._resampler is not None
        found = self._resampler.difference(a_RS, b_RS)
        if math.isnan(found.low):
            return Comparison(p=sign_flip(each.tolist()))
        ends = (found.mean, found.low, found.high)
        return Comparison(difference=ends, p=sign_flip(each.tolist()), p_interval=found.p)

    def _values_of(self, name: str) -> dict[int, np.ndarray]:
        """Seed -> [1 + R] the metric on the rows as they are, and on each resample of videos."""
        scored = by_seed(
            self.entries[name].records, self.source, self.board.metrics, self.board.folds
        )
        if not scored:
            return {}
        first: Scored = next(iter(scored.values()))
        seen = first.seen(self.metric)
        if self._resampler is None:
            self._resampler = Resampler(seen.videos)
        predictions = np.stack([s.read_by(self.metric) for s in scored.values()])
        formula = self.board.metrics[self.metric].value
        value_RS = self._resampler.values(formula, seen.target, predictions)
        return dict(zip(scored, value_RS.T, strict=True))
