"""Means over seeds, intervals, p-values. An interval resamples seeds and VIDEOS: the segments of
one video are not independent.

The bootstrap of a metric that is a function of sums over rows (all but ``map`` and ``micro_ap``) is
a matrix product: per-video sums times how often each video was drawn.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from scipy.special import ndtri, stdtrit

from merbench.api.metrics import SumMetric

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
    """The mean over seeds of a metric, for new seeds and new videos.

    ``y`` [N] or [N, C] and ``p`` [S, N] or [S, N, C] as ``MetricDef.value`` takes them: S seeds on
    the same rows. Seeds for which the metric is undefined are left out.

    A percentile bootstrap over seeds and videos as crossed factors (Owen 2007, "the pigeonhole
    bootstrap"), with two corrections for small numbers: n - 1 of n are drawn, which makes the
    variance unbiased (McCarthy and Snowden 1985), and the ends are stretched from the normal to the
    t distribution with Satterthwaite's degrees of freedom. With one seed the interval is for that
    seed. Raises ValueError where shapes do not fit.
    """
    return _bootstrap(metric, y, [np.asarray(p)], videos_N, resamples, level, seed)


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
) -> Interval:
    """As ``interval``, for metric(a) - metric(b) of two models with the same seeds on the same
    rows: ``a`` and ``b`` as ``p`` there.
    """
    if np.shape(a) != np.shape(b):
        raise ValueError(
            f"the two models have predictions of different shapes, {np.shape(a)} and {np.shape(b)}"
        )
    return _bootstrap(metric, y, [np.asarray(a), np.asarray(b)], videos_N, resamples, level, seed)


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


def significant(difference: Interval, adjusted_p: float, alpha: float = 0.05) -> bool:
    """Both: the interval (seeds and videos) leaves out 0, and the adjusted p (seeds) is below
    ``alpha``.
    """
    return (difference.low > 0 or difference.high < 0) and adjusted_p < alpha


def half_width(share: float, n: int, level: float = 0.95) -> float:
    """Half the width of the normal interval of a proportion over n rows: .026 for an accuracy of
    .86 on 686.
    """
    return float(ndtri((1 + level) / 2) * math.sqrt(share * (1 - share) / n))


# --- the bootstrap


def _bootstrap(
    metric: Metric,
    y: np.ndarray,
    models: Sequence[np.ndarray],
    videos_N: Sequence[str],
    resamples: int,
    level: float,
    seed: int,
) -> Interval:
    """``models``: predictions of one model, or of two whose difference is wanted."""
    y = np.asarray(y)
    names, video_N = np.unique(np.asarray(videos_N), return_inverse=True)
    if any(p.shape[1:2] != y.shape[:1] for p in models) or len(video_N) != len(y):
        raise ValueError(
            f"there are {len(y)} targets, {len(video_N)} videos and predictions of the shape {models[0].shape}"
        )
    if not isinstance(metric, SumMetric):
        resamples = min(resamples, LOOPED_RESAMPLES)
    draw = np.random.default_rng(seed)
    # The first "resample" is the rows as they are.
    weights_RV = np.vstack(
        [np.ones((1, len(names)), dtype=int), _draws(draw, resamples, len(names))]
    )
    values = [_values(metric, y, p, video_N, weights_RV) for p in models]
    value_RS = values[0] - values[1] if len(values) == 2 else values[0]
    value_RS = value_RS[:, ~np.isnan(value_RS[0])]
    seeds = value_RS.shape[1]
    if not seeds:
        return Interval(math.nan, math.nan, math.nan)
    mean = float(value_RS[0].mean())
    if len(names) == 1:
        return Interval(mean, math.nan, math.nan)

    weights_RS = _draws(draw, resamples, seeds)
    mean_R = _weighted_mean(value_RS[1:], weights_RS)
    # Weibull's positions, at which a quantile of few resamples is not drawn inwards (Hyndman and
    # Fan 1996).
    ends = np.nanquantile(mean_R, [(1 - level) / 2, (1 + level) / 2], method="weibull")
    of_seeds = float(value_RS[0].var(ddof=1)) / seeds if seeds > 1 else 0.0
    of_videos = float(np.nanvar(_weighted_mean(value_RS[1:], np.ones_like(weights_RS))))
    df = _degrees_of_freedom((of_seeds, seeds - 1), (of_videos, len(names) - 1))
    low, high = mean + (ends - mean) * stdtrit(df, (1 + level) / 2) / ndtri((1 + level) / 2)
    return Interval(mean, float(low), float(high))


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
