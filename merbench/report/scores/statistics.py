"""Means over seeds, intervals, p-values. An interval resamples seeds and VIDEOS: the segments of
one video are not independent.

The bootstrap of a metric that is a function of sums over rows (all but ``map`` and ``micro_ap``) is
a matrix product: per-video sums times how often each video was drawn.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from typing import NamedTuple

import numpy as np
from scipy.special import ndtri, stdtr, stdtrit

from merbench.api.declarations.metrics import SumMetric

Metric = SumMetric | Callable[[np.ndarray, np.ndarray], float]
"""A formula, as in ``MetricDef.value``."""

LOOPED_RESAMPLES = 300
"""At most so many for a metric that is no function of sums, because each is computed anew."""


class Summary(NamedTuple):
    """Mean and standard deviation (ddof = 1; nan for one value) of the ``n`` values that are
    defined.
    """

    mean: float
    sd: float
    n: int


class Interval(NamedTuple):
    """The mean over seeds on the rows as they are, and the ends of the interval (nan where there is
    a single video).
    """

    mean: float
    low: float
    high: float


def summarise(values: Sequence[float | None]) -> Summary:
    """None and nan are left out; ``n`` says how many were not."""
    x = np.array([v for v in values if v is not None and not math.isnan(v)])
    return Summary(
        float(x.mean()) if len(x) else math.nan,
        float(x.std(ddof=1)) if len(x) > 1 else math.nan,
        len(x),
    )


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

    def values(self, metric: Metric, y: np.ndarray, p: np.ndarray) -> np.ndarray:
        """[1 + R, S]: the metric of each of S seeds, on the rows as they are and with new videos.

        ``y`` [N] or [N, C] and ``p`` [S, N] or [S, N, C] as ``MetricDef.value`` takes them.
        """
        y, p = np.asarray(y), np.asarray(p)
        if p.shape[1:2] != y.shape[:1] or len(self.video_N) != len(y):
            raise ValueError(
                f"there are {len(y)} targets, {len(self.video_N)} videos and predictions of the "
                f"shape {p.shape}"
            )
        weights_RV = self._weights_RV
        if not isinstance(metric, SumMetric):
            weights_RV = weights_RV[: 1 + LOOPED_RESAMPLES]
        return _values(metric, y, p, self.video_N, weights_RV)

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
        ends = np.nanquantile(mean_R, [(1 - level) / 2, (1 + level) / 2], method="weibull")
        stretch = stdtrit(df, (1 + level) / 2) / ndtri((1 + level) / 2)
        low, high = mean + (ends - mean) * stretch
        return Interval(mean, float(low), float(high))

    def difference(self, a_RS: np.ndarray, b_RS: np.ndarray, level: float = 0.95) -> Paired:
        """Of two models with the same seeds, ``a`` minus ``b``: a t interval with the standard
        error of the bootstrap, because the far tails that many pairs ask for are beyond a
        percentile of so many resamples.
        """
        value_RS, mean_R, df = self._means(a_RS - b_RS)
        if not value_RS.shape[1]:
            return Paired(*[math.nan] * 4)
        mean = float(value_RS[0].mean())
        if self.videos == 1:
            return Paired(mean, math.nan, math.nan, math.nan)
        error = float(np.nanstd(mean_R, ddof=1))
        half = error * float(stdtrit(df, (1 + level) / 2))
        p = 2 * float(stdtr(df, -abs(mean) / error)) if error else float(mean == 0)
        return Paired(mean, mean - half, mean + half, p)

    def _means(self, value_RS: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
        """``(values of the seeds that have one, means over resampled seeds [R], degrees of
        freedom)``.
        """
        value_RS = value_RS[:, ~np.isnan(value_RS[0])]
        seeds = value_RS.shape[1]
        if not seeds or self.videos == 1:
            return value_RS, np.empty(0), math.nan
        weights_RS = _draws(deepcopy(self._draw), len(value_RS) - 1, seeds)
        of_seeds = float(value_RS[0].var(ddof=1)) / seeds if seeds > 1 else 0.0
        of_videos = float(np.nanvar(_weighted_mean(value_RS[1:], np.ones_like(weights_RS))))
        df = _degrees_of_freedom((of_seeds, seeds - 1), (of_videos, self.videos - 1))
        return value_RS, _weighted_mean(value_RS[1:], weights_RS), df


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
    resampler = Resampler(videos_N, resamples, seed)
    return resampler.interval(resampler.values(metric, y, p), level)


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
    resampler = Resampler(videos_N, resamples, seed)
    return resampler.difference(
        resampler.values(metric, y, a), resampler.values(metric, y, b), level
    )


def sign_flip(differences: Sequence[float], draws: int = 2**16) -> float:
    """Two-sided p of paired differences [S] under sign flips of the mean: exact up to 16, else by
    ``draws`` random flips.

    The smallest p is 2 / 2^S: .0625 with five seeds. nan differences are left out; nan where none
    is left.
    """
    d = np.asarray(differences, dtype=float)
    d = d[~np.isnan(d)]
    if not len(d):
        return math.nan
    if len(d) <= 16:
        # The bits of 0, 1, 2, ...; by symmetry the last sign can stay.
        signs = 1 - 2 * (np.arange(2 ** (len(d) - 1))[:, None] >> np.arange(len(d)) & 1)
    else:
        signs = np.random.default_rng(0).choice((1, -1), size=(draws, len(d)))
        signs[0] = 1
    reached = np.abs(signs @ d) >= abs(d.sum()) - 1e-12 * np.abs(d).sum()
    return float(reached.mean())


def holm(p_values: Sequence[float]) -> np.ndarray:
    """Holm's (1979) adjusted p-values, in the order given. A nan stays nan and is no test."""
    p = np.asarray(p_values, dtype=float)
    order = np.argsort(p)[: int((~np.isnan(p)).sum())]
    adjusted = np.full(len(p), np.nan)
    adjusted[order] = np.minimum(1, np.maximum.accumulate(p[order] * np.arange(len(order), 0, -1)))
    return adjusted


def adjusted(tests: Sequence[tuple[float, float]]) -> np.ndarray:
    """One p a pair, corrected over all ``tests``: (sign-flip p, p of the interval). nan where
    either is.

    The larger of the sign-flip p and Holm's adjusted p of the interval. The interval is valid for
    new seeds and new videos, so that its correction controls the family-wise error; the sign-flip
    is asked for besides. It is not itself corrected: ten seeds give no p below .002, which over the
    91 pairs of 14 rows could never pass.
    """
    p = np.array(tests, dtype=float).reshape(-1, 2)
    p[np.isnan(p).any(axis=1)] = np.nan
    larger: np.ndarray = np.maximum(p[:, 0], holm(p[:, 1].tolist()))
    return larger


ALPHA = 0.05


FEW = 5
"""Rows of either kind under which the normal interval of a proportion is too narrow."""


def half_width(share: float, n: int, level: float = 0.95) -> float:
    """Half the width of the normal interval of a proportion over n rows: .026 for an accuracy of
    .86 on 686. Of Wilson's (1927, JASA 22) where fewer than five rows are right or wrong: a perfect
    score on 30 rows is not known to ± 0.
    """
    z = float(ndtri((1 + level) / 2))
    if min(share, 1 - share) * n >= FEW:
        return z * math.sqrt(share * (1 - share) / n)
    return z * math.sqrt(share * (1 - share) / n + (z / (2 * n)) ** 2) / (1 + z**2 / n)


# --- the bootstrap


def _draws(draw: np.random.Generator, resamples: int, n: int) -> np.ndarray:
    """[R, n] how often each of n was drawn, in n - 1 draws with replacement; one alone is always
    there.
    """
    return draw.multinomial(max(n - 1, 1), np.full(n, 1 / n), size=resamples)


def _weighted_mean(value_RS: np.ndarray, weights_RS: np.ndarray) -> np.ndarray:
    """[R] over what is defined; nan where nothing is."""
    weights_RS = np.where(np.isnan(value_RS), 0, weights_RS)
    with np.errstate(invalid="ignore"):
        mean_R: np.ndarray = (np.nan_to_num(value_RS) * weights_RS).sum(axis=1) / weights_RS.sum(
            axis=1
        )
    return mean_R


def _degrees_of_freedom(*parts: tuple[float, int]) -> float:
    """Satterthwaite's degrees of freedom of a sum of variances, each with its own; many where
    nothing varies.
    """
    spread = sum(v**2 / n for v, n in parts if n and v)
    return sum(v for v, _ in parts) ** 2 / spread if spread else 1e9


def _values(
    metric: Metric,
    y: np.ndarray,
    p: np.ndarray,
    video_N: np.ndarray,
    weights_RV: np.ndarray,
) -> np.ndarray:
    """[R, S] the metric of each seed with each video counted as often as it was drawn."""
    if not isinstance(metric, SumMetric):
        rows = [np.repeat(np.arange(len(y)), weights_V[video_N]) for weights_V in weights_RV]
        return np.array([[metric(y[r], p_N[r]) for p_N in p] for r in rows])
    order = np.argsort(video_N, kind="stable")
    starts = np.searchsorted(video_N[order], np.arange(weights_RV.shape[1]))
    # [V, S, K...]: sums over the rows of each video
    sums = np.stack([np.add.reduceat(metric.rows(y, p_N)[order], starts) for p_N in p], axis=1)
    drawn = weights_RV.astype(float) @ sums.reshape(len(sums), -1)
    return metric.value(drawn.reshape(len(weights_RV), *sums.shape[1:]))


def summaries_as_json(scores: Mapping[str, Summary]) -> dict[str, dict[str, float | int | None]]:
    """``{metric: {"mean":, "sd":, "n":}}``; what is undefined is null."""
    return {m: {"mean": _null(s.mean), "sd": _null(s.sd), "n": s.n} for m, s in scores.items()}


def _null(value: float) -> float | None:
    return None if math.isnan(value) else value
