"""The values of many models with equal seeds, one above the other, so that one product compares all
of them with all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np

from merbench.report.scores.statistics.intervals import Resampler
from merbench.report.scores.statistics.shared_memory import shared_zeros

Seeds = frozenset[int]


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
            (mine, common): Stack.empty(names, common, resamples)
            for mine, names in names_by_seeds.items()
            for common in {mine & other for other in names_by_seeds} - {frozenset()}
        }
        self._rows = {n: row for names in names_by_seeds.values() for row, n in enumerate(names)}
        self._order = {name: place for place, name in enumerate(seeds)}
        self._there_M = shared_zeros(len(seeds))
        self._references: dict[Seeds, Means] = {}

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
                part_RS = of_seeds(value_RS, self.seeds[name], common)
                stack.put(self._rows[name], part_RS, self.resampler, self._references)

    def pairs(self, names: Sequence[str]) -> list[tuple[Stack, Stack]]:
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


class Means(NamedTuple):
    """Of one model on each resample, nan where it has no value."""

    crossed_R: np.ndarray
    videos_R: np.ndarray


@dataclass(frozen=True)
class Stack:
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
    def empty(cls, names: Sequence[str], seeds: Seeds, resamples: int) -> Stack:
        models = len(names)
        crossed_MR, videos_MR = shared_zeros(2, models, resamples)
        value_MS, known_M = shared_zeros(models, len(seeds)), shared_zeros(models)
        return cls(names, seeds, value_MS, crossed_MR, videos_MR, known_M)

    def put(
        self,
        row: int,
        value_RS: np.ndarray,
        resampler: Resampler,
        references: dict[Seeds, Means],
    ) -> None:
        self.value_MS[row] = value_RS[0]
        if np.isnan(value_RS[0]).any():
            return
        means = Means(*resampler.means(value_RS))
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


def of_seeds(value_RS: np.ndarray, seeds: Sequence[int], common: Seeds) -> np.ndarray:
    return value_RS[:, [seed in common for seed in seeds]]
