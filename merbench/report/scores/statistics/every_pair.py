"""Paired tests of every pair of many models at once: what ``Resampler.difference`` and
``sign_flip`` say of each.

A model's mean on a resample is linear in its values, so the variance of a difference of two models
is the sum of theirs minus twice their covariance, and all covariances are one matrix product.

Four orders meet here. A model has a *place* among all models, and a *row* in each stack, which
holds the models that have the same seeds, cut to seeds that they have in common with others (a
model with seeds 0 to 9 beside one with 0 to 4 is in two stacks). A *pair* k is one of the
combinations of places, the earlier model first. Rows of a stack are worked off in *blocks*, which
processes share.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache

import numpy as np

from merbench.api.processes import each_apart
from merbench.report.scores.statistics.intervals import degrees_of_freedom
from merbench.report.scores.statistics.p_values import sign_flips
from merbench.report.scores.statistics.pair_tests import EveryPair
from merbench.report.scores.statistics.stacks import Models, Stack, of_seeds

Values = Callable[[str], np.ndarray]
BLOCK = 32
"""So many models meet all others in one product."""
NEAR = 1e-4
"""Where the variance of a difference is so small a share of the two models' own, the difference is
formed first: a small difference of large numbers has few digits.
"""


def every_pair(models: Models, names: Sequence[str], values: Values, jobs: int = 1) -> EveryPair:
    """``names``: all ``models``, in the order of the pairs. ``values(name)``: what
    ``Resampler.values`` gives of a model, [1 + R, S]. ``jobs``: processes that do it.
    """
    while models.missing and models.in_one_process:
        models.put(models.missing[0], values(models.missing[0]), models.resampler)
    missing = models.missing

    def put(share: int) -> None:
        for name in missing[share::jobs]:
            models.put(name, values(name), models.resampler)

    each_apart(put, range(jobs), jobs)
    tests, stacks = EveryPair(names), models.pairs(names)

    def fill(share: int) -> None:
        for a, b in stacks:
            _fill(tests, a, b, models.resampler.videos, share, jobs)

    each_apart(fill, range(jobs), jobs)
    _fill_irregular(tests, models, stacks, values)
    tests.invert_intervals()
    tests.correct()
    return tests


def _fill_irregular(
    tests: EveryPair,
    models: Models,
    stacks: Sequence[tuple[Stack, Stack]],
    values: Values,
) -> None:
    """The pairs that cannot be compared by products, one by one."""
    again = lru_cache(64)(values)
    for a, b in stacks:
        for first, later in sorted(_irregular(a, b)):
            earlier_RS, later_RS = (
                of_seeds(again(name), models.seeds[name], a.seeds)
                for name in (tests.names[first], tests.names[later])
            )
            difference_RS = later_RS - earlier_RS
            k = tests.at(first, later)
            errors = models.resampler.standard_error(difference_RS)
            tests.mean_P[k], tests.error_P[k], tests.df_P[k] = errors
            tests.p_flip_P[k] = sign_flips(difference_RS[:1])[0]


def _irregular(mine: Stack, theirs: Stack) -> set[tuple[int, int]]:
    """Pairs, the earlier model first, that cannot be compared by products."""
    pairs = set()
    for stack, others in ((mine, theirs), (theirs, mine)):
        for place in stack.places[stack.defined_M & (stack.known_M == 0)].tolist():
            for other in others.places[others.defined_M].tolist():
                if place != other:
                    pairs.add((min(place, other), max(place, other)))
    return pairs


def _fill(
    tests: EveryPair, mine: Stack, theirs: Stack, videos: int, share: int, shares: int
) -> None:
    """The pairs of a model of ``mine`` and a later one of ``theirs``: of the blocks of models those
    of one of several equal ``shares``.
    """
    crossed, over_videos = (
        _Products(mine.crossed_MR, theirs.crossed_MR),
        _Products(mine.videos_MR, theirs.videos_MR),
    )
    seeds = mine.value_MS.shape[1]
    usable = theirs.defined_M & (theirs.known_M > 0)
    for row in np.flatnonzero(mine.defined_M & (mine.known_M > 0)).tolist():
        if row // BLOCK % shares != share:
            continue
        first, known = mine.places[row], mine.known_M[row]
        later = np.flatnonzero(usable & (theirs.places > first))
        if not len(later):
            continue
        difference_PS = theirs.value_MS[later] - mine.value_MS[row]
        k = tests.at(first, theirs.places[later])
        tests.mean_P[k] = difference_PS.mean(axis=1)
        tests.p_flip_P[k] = sign_flips(difference_PS)
        if videos == 1:
            continue
        of_seeds = difference_PS.var(axis=1, ddof=1) / seeds if seeds > 1 else np.zeros(len(later))
        of_videos = over_videos.squares(row, later) / known
        tests.error_P[k] = np.sqrt(crossed.squares(row, later) / (known - 1))
        tests.df_P[k] = degrees_of_freedom((of_seeds, seeds - 1), (of_videos, videos - 1))


class _Products:
    """Sums of squares over resamples of differences of rows of ``a_MR`` and of ``b_MR``."""

    def __init__(self, a_MR: np.ndarray, b_MR: np.ndarray) -> None:
        self.a_MR, self.b_MR = a_MR, b_MR
        self.of_a_M, self.of_b_M = ((x_MR**2).sum(axis=1) for x_MR in (a_MR, b_MR))
        self._block = -1
        self._product = np.empty((0, 0))

    def squares(self, row: int, others: np.ndarray) -> np.ndarray:
        """[P]: of row ``row`` of a and each of ``others`` of b. Rows are asked for in turn."""
        block, place = divmod(row, BLOCK)
        if block != self._block:
            rows = slice(block * BLOCK, (block + 1) * BLOCK)
            self._block, self._product = block, self.a_MR[rows] @ self.b_MR.T
        both_P = self.of_a_M[row] + self.of_b_M[others]
        squares_P: np.ndarray = both_P - 2 * self._product[place, others]
        for near in np.flatnonzero(squares_P <= NEAR * both_P):
            squares_P[near] = ((self.a_MR[row] - self.b_MR[others[near]]) ** 2).sum()
        return squares_P
