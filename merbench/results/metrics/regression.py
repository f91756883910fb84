"""Metrics of a score: the mean absolute error and Pearson's r."""

from __future__ import annotations

from functools import partial

import numpy as np

from merbench.api.declarations.metrics import MetricDef, SumMetric
from merbench.results.metrics.sums import CONSTANT, mean, mean_rows, ratio, row_wise

define = partial(MetricDef, kinds=("score",), higher_is_better=True)


# --- Pearson's r: [N, 6] = moments


def moment_rows(y_N: np.ndarray, p_N: np.ndarray) -> np.ndarray:
    # Centred first: r does not change, and nothing cancels in the sums.
    y, p = y_N - y_N.mean(), p_N - p_N.mean()
    return np.stack([np.ones_like(y), y, p, y * y, p * p, y * p], axis=1)


def pearson(sums: np.ndarray) -> np.ndarray:
    n, y, p, yy, pp, yp = np.moveaxis(sums, -1, 0)
    var_y, var_p = ratio(yy, n) - ratio(y, n) ** 2, ratio(pp, n) - ratio(p, n) ** 2
    defined = (var_y >= CONSTANT**2) & (var_p >= CONSTANT**2)
    with np.errstate(invalid="ignore"):
        r = ratio(ratio(yp, n) - ratio(y, n) * ratio(p, n), np.sqrt(var_y * var_p))
        return np.where(defined, np.clip(r, -1, 1), np.nan)


def _absolute_error(y: np.ndarray, p: np.ndarray) -> np.ndarray:
    return mean_rows(np.abs(y - p))


ERRORS = (
    define(
        name="mae",
        title="MAE",
        value=row_wise(_absolute_error, mean),
        summary="mean absolute error",
        higher_is_better=False,
        headline=True,
    ),
    define(
        name="corr",
        title="Corr",
        value=SumMetric(moment_rows, pearson),
        summary="Pearson's r; missing for constant predictions",
        headline=True,
    ),
)
