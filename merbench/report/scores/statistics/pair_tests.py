"""What the tests say of each pair of many models, in arrays over pairs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from scipy.special import stdtr, stdtrit

from merbench.report.scores.statistics.p_values import joint
from merbench.report.scores.statistics.shared_memory import shared_zeros


class PairTest(NamedTuple):
    """The later model minus the earlier one: ``mean`` over seeds, 95 % interval (nan where there is
    a single video), sign-flip ``p``, ``p_interval`` that inverts the interval, and ``p_adjusted``:
    one p of both, corrected over all pairs.
    """

    mean: float
    low: float
    high: float
    p: float
    p_interval: float
    p_adjusted: float


class EveryPair:
    """Arrays [P] in the order of ``combinations(names, 2)``: ``mean_P`` of the later name minus the
    earlier one, its standard error, degrees of freedom and p-values; nan where two models have no
    seed in common, or one has no value on a seed.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self.names = list(names)
        self._places = {name: place for place, name in enumerate(names)}
        pairs = len(names) * (len(names) - 1) // 2
        filled = shared_zeros(4, pairs)
        filled[:] = np.nan
        self.mean_P, self.error_P, self.df_P, self.p_flip_P = filled
        self.p_interval_P = self.p_P = self.p_flip_P

    def at(self, first: int, later: int | np.ndarray) -> Any:
        """Where a pair stands, or one model's pairs with several later ones."""
        return first * len(self.names) - first * (first + 1) // 2 + later - first - 1

    def of(self, first: str, later: str, level: float = 0.95) -> PairTest | None:
        """None where they cannot be compared."""
        k = self.at(self._places[first], self._places[later])
        mean = float(self.mean_P[k])
        if math.isnan(mean):
            return None
        half = float(self.error_P[k]) * float(stdtrit(self.df_P[k], (1 + level) / 2))
        p_values = (float(p_P[k]) for p_P in (self.p_flip_P, self.p_interval_P, self.p_P))
        return PairTest(mean, mean - half, mean + half, *p_values)

    def invert_intervals(self) -> None:
        """``p_interval_P`` from means and errors."""
        p_P = np.abs(self.mean_P)  # and in place all that follows, for pairs may be millions
        with np.errstate(divide="ignore", invalid="ignore"):
            p_P /= self.error_P
        np.negative(p_P, out=p_P)
        stdtr(self.df_P, p_P, out=p_P)
        p_P *= 2
        np.copyto(p_P, self.mean_P == 0, where=self.error_P <= 0)
        self.p_interval_P = p_P

    def correct(self) -> None:
        """``p_P`` from the p-values of flips and of intervals."""
        self.p_P = joint(self.p_flip_P, self.p_interval_P)
