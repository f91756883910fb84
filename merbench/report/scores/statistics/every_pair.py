"""Paired tests of every pair of many models at once: what ``Resampler.difference`` and
``sign_flip`` say of each.

A model's mean on a resample is linear in its values, so the variance of a difference of two models
is the sum of theirs minus twice their covariance, and all covariances are one matrix product.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from mmap import mmap
from typing import Any, NamedTuple

import numpy as np
from scipy.special import stdtr, stdtrit

from merbench.api.processes import each_apart
from merbench.report.scores.statistics.intervals import Resampler, degrees_of_freedom
from merbench.report.scores.statistics.p_values import joint, sign_flips

Seeds = frozenset[int]
Values = Callable[[str], np.ndarray]
BLOCK = 32
"""So many models meet all others in one product."""
NEAR = 1e-4
"""Where the variance of a difference is so small a share of the two models' own, the difference is
formed first: a small difference of large numbers has few digits.
"""


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
        filled = _shared(4, pairs)
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


class Models:
    """What the tests of all pairs need of each model, in memory into which processes write that are
    forked from this one. ``seeds`` of each model by name; ``resamples``: how many its values have.
    """

    def __init__(
        self, seeds: Mapping[str, Sequence[int]], resampler: Resampler, resamples: int
    ) -> None:
        self.seeds, self.resampler = seeds, resampler
        names_by_seeds: dict[Seeds, list[str]] = {}
        for name, of_model in seeds.items():
            names_by_seeds.setdefault(frozenset(of_model), []).append(name)
        self._stacks = {
            (mine, common): _Stack.empty(names, common, resamples)
            for mine, names in names_by_seeds.items()
            for common in {mine & other for other in names_by_seeds} - {frozenset()}
        }
        self._rows = {n: row for names in names_by_seeds.values() for row, n in enumerate(names)}
        self._order = {name: place for place, name in enumerate(seeds)}
        self._there_M = _shared(len(seeds))
        self._references: dict[Seeds, _Means] = {}

    @property
    def missing(self) -> list[str]:
        """Those without values yet."""
        return [name for name, place in self._order.items() if not self._there_M[place]]

    @property
    def in_one_process(self) -> bool:
        """True until a model is there for each set of seeds: the others are seen less that one."""
        return self._references.keys() != {common for _, common in self._stacks}

    def put(self, name: str, value_RS: np.ndarray, resampler: Resampler) -> None:
        """``value_RS``: what ``Resampler.values`` gives of it; not taken from another one's."""
        if resampler is not self.resampler:
            return
        self._there_M[self._order[name]] = 1
        for (of_model, common), stack in self._stacks.items():
            if of_model == frozenset(self.seeds[name]):
                part_RS = _of_seeds(value_RS, self.seeds[name], common)
                stack.put(self._rows[name], part_RS, self.resampler, self._references)

    def pairs(self, names: Sequence[str]) -> list[tuple[_Stack, _Stack]]:
        """Models with the same seeds beside those with the same or others, as far as the two have
        seeds in common: each two once or, the other way round, twice. ``names``: their order.
        """
        place_of = {name: place for place, name in enumerate(names)}
        placed = {
            key: replace(stack, places=np.array([place_of[name] for name in stack.names]))
            for key, stack in self._stacks.items()
        }
        return [
            (stack, placed[other, common])
            for (mine, common), stack in placed.items()
            for other in dict.fromkeys(of_model for of_model, _ in placed)
            if mine & other == common
        ]


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
    stacks: Sequence[tuple[_Stack, _Stack]],
    values: Values,
) -> None:
    """The pairs that cannot be compared by products, one by one."""
    again = lru_cache(64)(values)
    for a, b in stacks:
        for first, later in sorted(_irregular(a, b)):
            earlier_RS, later_RS = (
                _of_seeds(again(name), models.seeds[name], a.seeds)
                for name in (tests.names[first], tests.names[later])
            )
            difference_RS = later_RS - earlier_RS
            k = tests.at(first, later)
            errors = models.resampler.standard_error(difference_RS)
            tests.mean_P[k], tests.error_P[k], tests.df_P[k] = errors
            tests.p_flip_P[k] = sign_flips(difference_RS[:1])[0]


def _of_seeds(value_RS: np.ndarray, seeds: Sequence[int], common: Seeds) -> np.ndarray:
    return value_RS[:, [seed in common for seed in seeds]]


def _shared(*shape: int) -> np.ndarray:
    """Zeros into which processes write that are forked from this one."""
    return np.ndarray(shape, buffer=mmap(-1, max(1, 8 * math.prod(shape))))


class _Means(NamedTuple):
    """Of one model on each resample, nan where it has no value."""

    crossed_R: np.ndarray
    videos_R: np.ndarray


@dataclass(frozen=True)
class _Stack:
    """Models (``names``; ``places`` among all) on the same ``seeds``: ``value_MS`` on the rows as
    they are, ``crossed_MR`` and ``videos_MR`` as ``Resampler.means`` gives them, less those of one
    model for all (what models have in common has no part in a difference) and centred.

    ``known_M``: on how many resamples there is a value; 0 where these are not that one model's, or
    only some of the seeds have one: then a model is compared pair by pair.
    """

    names: Sequence[str]
    seeds: Seeds
    value_MS: np.ndarray
    crossed_MR: np.ndarray
    videos_MR: np.ndarray
    known_M: np.ndarray
    places: np.ndarray = field(default_factory=lambda: np.empty(0, dtype=int))

    @classmethod
    def empty(cls, names: Sequence[str], seeds: Seeds, resamples: int) -> _Stack:
        models = len(names)
        crossed_MR, videos_MR = _shared(2, models, resamples)
        value_MS, known_M = _shared(models, len(seeds)), _shared(models)
        return cls(names, seeds, value_MS, crossed_MR, videos_MR, known_M)

    def put(
        self,
        row: int,
        value_RS: np.ndarray,
        resampler: Resampler,
        references: dict[Seeds, _Means],
    ) -> None:
        self.value_MS[row] = value_RS[0]
        if np.isnan(value_RS[0]).any():
            return
        means = _Means(*resampler.means(value_RS))
        reference = references.setdefault(self.seeds, means)
        gap_R = np.isnan(value_RS[1:]).any(axis=1)
        if all(np.array_equal(gap_R, np.isnan(x.crossed_R)) for x in (means, reference)):
            self.known_M[row] = np.count_nonzero(~gap_R)
            self.crossed_MR[row] = _centred(means.crossed_R - reference.crossed_R)
            self.videos_MR[row] = _centred(means.videos_R - reference.videos_R)

    @property
    def defined_M(self) -> np.ndarray:
        """Whether there is a value on every seed."""
        defined_M: np.ndarray = ~np.isnan(self.value_MS).any(axis=1)
        return defined_M


def _centred(x_R: np.ndarray) -> np.ndarray:
    centred_R: np.ndarray = np.nan_to_num(x_R - np.nanmean(x_R))
    return centred_R


def _irregular(mine: _Stack, theirs: _Stack) -> set[tuple[int, int]]:
    """Pairs, the earlier model first, that cannot be compared by products."""
    pairs = set()
    for stack, others in ((mine, theirs), (theirs, mine)):
        for place in stack.places[stack.defined_M & (stack.known_M == 0)].tolist():
            for other in others.places[others.defined_M].tolist():
                if place != other:
                    pairs.add((min(place, other), max(place, other)))
    return pairs


def _fill(
    tests: EveryPair, mine: _Stack, theirs: _Stack, videos: int, share: int, shares: int
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
