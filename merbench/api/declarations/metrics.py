"""A metric, declared once: its name, how it is shown, which way is better, and its formula."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from merbench.api.declarations.declaration import API


@dataclass(frozen=True)
class SumMetric:
    """A formula over sums: ``rows(y, p)`` [N, ...] are added up over rows, then ``value`` [*batch,
    ...] -> [*batch].

    Rows may be weighted (an integer weight repeats a row), so that a bootstrap over videos is a
    matrix product. A formula that is no function of sums, such as one of a ranking, is a
    ``WeightedMetric`` or a plain function; its bootstrap takes fewer resamples.

    ``row_wise``: what ``rows`` gives of a row depends on that row alone, and on no mean over all of
    them, so that the rows of many runs are one call.
    """

    rows: Callable[[np.ndarray, np.ndarray], np.ndarray]
    value: Callable[[np.ndarray], np.ndarray]
    row_wise: bool = False

    def __call__(self, y: np.ndarray, p: np.ndarray) -> float:
        return float(self.value(self.rows(y, p).sum(axis=0)))

    def rows_of_runs(self, y: np.ndarray, p: np.ndarray) -> np.ndarray:
        """[R, N, ...]: ``rows`` of each of R runs on the same rows, whose predictions are ``p``
        [R, N] or [R, N, C].
        """
        if not self.row_wise:
            return np.stack([self.rows(y, of_run) for of_run in p])
        every_row = self.rows(np.concatenate([y] * len(p)), p.reshape(-1, *p.shape[2:]))
        return every_row.reshape(len(p), len(y), *every_row.shape[1:])

    def sums_of_runs(self, y: np.ndarray, p: np.ndarray) -> np.ndarray:
        """[R, ...]: the sums of each run, as ``rows_of_runs`` takes them."""
        sums: np.ndarray = self.rows_of_runs(y, p).sum(axis=1)
        return sums


@dataclass(frozen=True)
class WeightedMetric:
    """A formula over rows that count more or less: ``value(y, p, weights_RN)`` -> [R], of each of R
    ways to weight N rows what it would be of rows repeated so often (0: left out).

    A bootstrap gets all its resamples by one call, where a plain function is called for each.
    """

    value: Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]

    def __call__(self, y: np.ndarray, p: np.ndarray) -> float:
        return float(self.value(y, p, np.ones((1, len(y))))[0])


@dataclass(frozen=True, kw_only=True)
class MetricFacts:
    """What a table needs to know of a metric.

    ``digits`` decimals of ``scale`` times the value are shown (``scale=100``: in percent).
    ``headline``: shown without ``--all-metrics``. ``pair``: the name of a metric that shares its
    column where both are shown, as the two conventions of Acc-2 do.
    """

    name: str
    title: str
    summary: str
    higher_is_better: bool
    digits: int = 3
    scale: float = 1.0
    headline: bool = False
    pair: str = ""


@dataclass(frozen=True, kw_only=True)
class MetricDef(MetricFacts):
    """A metric of the kinds of tasks ``kinds``. A plugin yields it from ``merbench_components``.

    ``value(y, p)`` is pure numpy over a whole split, nan where it is undefined. It gets targets and
    predictions: of a ``score`` [N] and [N]; of a ``class`` class numbers [N] and probabilities [N,
    C]; of a ``multilabel`` task 0, 1 or nan (not known) [N, C] and decisions (bool) [N, C], or
    probabilities [N, C] with ``reads="probabilities"``.

    ``spans``: of a score, the range of the labels that it is for; None = any. ``per_label``: also
    given for each label alone, as ``NAME.WORD``. The module of ``value`` is imported by every
    command that shows scores: import torch, scipy and the like inside the function.
    """

    kinds: tuple[Literal["score", "class", "multilabel"], ...]
    value: SumMetric | WeightedMetric | Callable[[np.ndarray, np.ndarray], float]
    reads: Literal["decisions", "probabilities"] = "decisions"
    spans: tuple[float, float] | None = None
    per_label: bool = False
    api: int = API

    @property
    def module(self) -> str:
        """Where its formula stands."""
        formula: object = self.value
        if isinstance(formula, SumMetric):
            formula = formula.rows
        elif isinstance(formula, WeightedMetric):
            formula = formula.value
        return getattr(formula, "__module__", None) or type(formula).__module__
