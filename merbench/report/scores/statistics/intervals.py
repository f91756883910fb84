"""Intervals and p-values. An interval resamples seeds and VIDEOS: the segments of
one video are not independent.

The bootstrap of a metric that is a function of sums over rows (all but ``map`` and ``micro_ap``) is
a matrix product: per-video sums times how often each video was drawn.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from copy import deepcopy
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from scipy.special import ndtri, stdtr, stdtrit

from merbench.api.declarations.metrics import SumMetric, WeightedMetric

Metric = SumMetric | WeightedMetric | Callable[[np.ndarray, np.ndarray], float]
"""A formula, as in ``MetricDef.value``."""

LOOPED_RESAMPLES = 300
"""At most so many for a metric that is no function of sums, because each costs as much as the
metric itself."""

EXACT = 2**24
"""Whole numbers below this are exact in single precision."""


class Interval(NamedTuple):
    """The mean over seeds on the rows as they are, and the ends of the interval (nan where there is
    a single video).
    """

    mean: float
    low: float
    high: float


class Paired(NamedTuple):
    """A difference of two models: its mean over seeds, its interval (nan where there is a single
    video), and ``p``: one minus the level of the interval that ends at 0.
    """

    mean: float
    low: float
    high: float
    p: float


class Resampler:
    """A bootstrap over seeds and videos as crossed factors (Owen 2007, "the pigeonhole bootstrap"),
    with n - 1 of n drawn, which makes the variance unbiased (McCarthy and Snowden 1985).

    The same resamples serve every model that was scored on the same rows, so that each model is
    computed once, however many pairs it is in. Raises ValueError where shapes do not fit.
    """

    def __init__(self, videos_N: Sequence[str], resamples: int = 2000, seed: int = 0) -> None:
        names, self.video_N = np.unique(np.asarray(videos_N), return_inverse=True)
        self.videos = len(names)
        self._draw = np.random.default_rng(seed)
        # The first "resample" is the rows as they are.
        self._weights_RV = np.vstack(
            [np.ones((1, self.videos), dtype=int), _draws(self._draw, resamples, self.videos)]
        )
        self._weights_VR = np.ascontiguousarray(self._weights_RV.T, dtype=float)
        self._single_weights_VR = self._weights_VR.astype(np.float32)
        self._most_drawn = self._weights_RV.max()
        self._seed_weights: dict[tuple[int, ...], tuple[np.ndarray, np.ndarray]] = {}
        """By shape, [R, S] and their sums [R]."""
        self._by_video = np.argsort(self.video_N, kind="stable")
        self._starts = np.searchsorted(self.video_N[self._by_video], np.arange(self.videos))

    def resamples(self, metric: Metric) -> int:
        """How many ``values`` makes: fewer of what takes long."""
        every = len(self._weights_RV) - 1
        return every if isinstance(metric, SumMetric) else min(every, LOOPED_RESAMPLES)

    def values(self, metric: Metric, y: np.ndarray, p: np.ndarray) -> np.ndarray:
        """[1 + R, S]: the metric of each of S seeds, on the rows as they are and with new videos.

        ``y`` [N] or [N, C] and ``p`` [S, N] or [S, N, C] as ``MetricDef.value`` takes them.
        """
        y, p = np.asarray(y), np.asarray(p)
        if isinstance(metric, SumMetric):
            return metric.value(self.sums(metric, y, p)).T
        self._require_fit(y, p)
        weights_RN = self._weights_RV[: 1 + self.resamples(metric), self.video_N]
        if isinstance(metric, WeightedMetric):
            return np.stack([metric.value(y, p_N, weights_RN) for p_N in p], axis=1)
        rows = [np.repeat(np.arange(len(y)), weights_N) for weights_N in weights_RN]
        return np.array([[metric(y[r], p_N[r]) for p_N in p] for r in rows])

    def sums(self, metric: SumMetric, y: np.ndarray, p: np.ndarray) -> np.ndarray:
        """[S, 1 + R, ...]: what ``metric.value`` takes, as of ``values``. Metrics with the same
        ``rows`` have the same.
        """
        self._require_fit(y, p)
        terms = metric.rows_of_runs(y, p)
        shape = terms.shape[2:]
        rows_SNK = terms.reshape(*terms.shape[:2], -1)[:, self._by_video]
        sums_SVK = np.add.reduceat(rows_SNK, self._starts, axis=1)
        drawn_KSR = self._drawn(np.ascontiguousarray(np.moveaxis(sums_SVK, 2, 0)))
        return np.moveaxis(drawn_KSR, 0, 2).reshape(*drawn_KSR.shape[1:], *shape)

    def _require_fit(self, y: np.ndarray, p: np.ndarray) -> None:
        if p.shape[1:2] != y.shape[:1] or len(self.video_N) != len(y):
            raise ValueError(
                f"there are {len(y)} targets, {len(self.video_N)} videos and predictions of the "
                f"shape {p.shape}"
            )

    def _drawn(self, sums_KSV: np.ndarray) -> np.ndarray:
        """[K, S, 1 + R]: each sum over videos, as often as these were drawn. What is the same for
        every seed, as sums of targets and of weights are, is multiplied once; what counts rows in
        single precision, which is exact as long as the counts are, and takes half of the time.
        """
        varies_K = (sums_KSV != sums_KSV[:, :1]).any(axis=(1, 2))
        counts_K = (sums_KSV == np.rint(sums_KSV)).all(axis=(1, 2))
        counts_K &= np.abs(sums_KSV).sum(axis=2).max(axis=1) * self._most_drawn < EXACT
        drawn_KSR = np.empty((*sums_KSV.shape[:2], len(self._weights_RV)))
        for varies, seeds in ((True, slice(None)), (False, slice(1))):
            for counts, weights_VR in ((True, self._single_weights_VR), (False, self._weights_VR)):
                of_K = (varies_K == varies) & (counts_K == counts)
                chosen = sums_KSV[of_K, seeds].astype(weights_VR.dtype)
                product = chosen.reshape(-1, self.videos) @ weights_VR
                drawn_KSR[of_K] = product.reshape(*chosen.shape[:2], len(self._weights_RV))
        return drawn_KSR

    def interval(self, value_RS: np.ndarray, level: float = 0.95) -> Interval:
        """A percentile interval, its ends stretched from the normal to the t distribution with
        Satterthwaite's degrees of freedom. Seeds for which the metric is undefined are left out;
        with one seed the interval is for that seed.
        """
        value_RS, mean_R, df = self._means(value_RS)
        if not value_RS.shape[1]:
            return Interval(math.nan, math.nan, math.nan)
        mean = float(value_RS[0].mean())
        if self.videos == 1:
            return Interval(mean, math.nan, math.nan)
        # Weibull's positions, at which a quantile of few resamples is not drawn inwards (Hyndman
        # and Fan 1996).
        quantile: Callable[..., np.ndarray] = np.quantile  # faster than the one that looks for nan
        if np.isnan(mean_R).any():
            quantile = np.nanquantile
        ends = quantile(mean_R, [(1 - level) / 2, (1 + level) / 2], method="weibull")
        stretch = stdtrit(df, (1 + level) / 2) / ndtri((1 + level) / 2)
        low, high = mean + (ends - mean) * stretch
        return Interval(mean, float(low), float(high))

    def difference(self, a_RS: np.ndarray, b_RS: np.ndarray, level: float = 0.95) -> Paired:
        """Of two models with the same seeds, ``a`` minus ``b``: a t interval with the standard
        error of the bootstrap, because the far tails that many pairs ask for are beyond a
        percentile of so many resamples.
        """
        mean, error, df = self.standard_error(a_RS - b_RS)
        if math.isnan(error):
            return Paired(mean, math.nan, math.nan, math.nan)
        half = error * float(stdtrit(df, (1 + level) / 2))
        p = 2 * float(stdtr(df, -abs(mean) / error)) if error else float(mean == 0)
        return Paired(mean, mean - half, mean + half, p)

    def standard_error(self, value_RS: np.ndarray) -> tuple[float, float, float]:
        """``(mean over seeds on the rows as they are, its standard error, degrees of freedom)``;
        nan where there is none.
        """
        value_RS, mean_R, df = self._means(value_RS)
        if not value_RS.shape[1]:
            return math.nan, math.nan, math.nan
        error = math.nan if self.videos == 1 else float(np.nanstd(mean_R, ddof=1))
        return float(value_RS[0].mean()), error, df

    def _means(self, value_RS: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
        """``(values of the seeds that have one, means over resampled seeds [R], degrees of
        freedom)``.
        """
        value_RS = value_RS[:, ~np.isnan(value_RS[0])]
        seeds = value_RS.shape[1]
        if not seeds or self.videos == 1:
            return value_RS, np.empty(0), math.nan
        of_seeds = float(value_RS[0].var(ddof=1)) / seeds if seeds > 1 else 0.0
        mean_R, over_videos_R = self.means(value_RS)
        of_videos = float(np.nanvar(over_videos_R))
        df = float(degrees_of_freedom((of_seeds, seeds - 1), (of_videos, self.videos - 1)))
        return value_RS, mean_R, df

    def means(self, value_RS: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Means [R] over resampled seeds, and over the seeds as they are, on each resample of
        videos. Linear in the values, so that a difference of models has the difference of theirs.
        """
        value_RS = value_RS[1:]
        size = value_RS.shape
        if size not in self._seed_weights:
            drawn_RS = _draws(deepcopy(self._draw), *size).astype(float)
            self._seed_weights[size] = drawn_RS, drawn_RS.sum(axis=1)
        weights_RS, total_R = self._seed_weights[size]
        if np.isnan(value_RS).any():
            return _weighted_mean(value_RS, weights_RS), _weighted_mean(value_RS, np.ones(size))
        value_RS = np.ascontiguousarray(value_RS)  # so that sums are added in one order
        return (value_RS * weights_RS).sum(axis=1) / total_R, value_RS.mean(axis=1)


@lru_cache(4)
def resampler_of(videos_N: tuple[str, ...], resamples: int = 2000, seed: int = 0) -> Resampler:
    """One for all metrics and models on the same rows."""
    return Resampler(videos_N, resamples, seed)


def interval(
    metric: Metric,
    y: np.ndarray,
    p: np.ndarray,
    videos_N: Sequence[str],
    *,
    resamples: int = 2000,
    level: float = 0.95,
    seed: int = 0,
) -> Interval:
    """The mean over seeds of a metric, for new seeds and new videos (``Resampler``)."""
    on_videos = resampler_of(tuple(videos_N), resamples, seed)
    return on_videos.interval(on_videos.values(metric, y, p), level)


def paired_interval(
    metric: Metric,
    y: np.ndarray,
    a: np.ndarray,
    b: np.ndarray,
    videos_N: Sequence[str],
    *,
    resamples: int = 2000,
    level: float = 0.95,
    seed: int = 0,
) -> Paired:
    """metric(a) - metric(b) of two models with the same seeds on the same rows."""
    if np.shape(a) != np.shape(b):
        raise ValueError(
            f"the two models have predictions of different shapes, {np.shape(a)} and {np.shape(b)}"
        )
    on_videos = resampler_of(tuple(videos_N), resamples, seed)
    return on_videos.difference(
        on_videos.values(metric, y, a), on_videos.values(metric, y, b), level
    )


# --- the bootstrap


def _draws(draw: np.random.Generator, resamples: int, n: int) -> np.ndarray:
    """[R, n] how often each of n was drawn, in n - 1 draws with replacement; one alone is always
    there.
    """
    return draw.multinomial(max(n - 1, 1), np.full(n, 1 / n), size=resamples)


def _weighted_mean(value_RS: np.ndarray, weights_RS: np.ndarray) -> np.ndarray:
    """[R] over what is defined; nan where nothing is."""
    known_RS = ~np.isnan(value_RS)
    weights_RS = np.where(known_RS, weights_RS, 0)
    with np.errstate(invalid="ignore"):
        mean_R: np.ndarray = (np.where(known_RS, value_RS, 0.0) * weights_RS).sum(
            axis=1
        ) / weights_RS.sum(axis=1)
    return mean_R


def degrees_of_freedom(*parts: tuple[float | np.ndarray, int]) -> np.ndarray:
    """Satterthwaite's degrees of freedom of a sum of variances, each with its own; many where
    nothing varies.
    """
    total = sum(variance for variance, _ in parts)
    spread = np.asarray(sum(variance * variance / n for variance, n in parts if n))
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(spread > 0, total * total / spread, 1e9)
