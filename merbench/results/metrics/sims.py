"""Metrics of a score in [-1, 1], as the CH-SIMS line of work counts them (MMSA's
``__eval_sims_regression``).

Classes are intervals closed above. Values are compared in single precision, as that code does: a
label .4 is a weak one.
"""

from __future__ import annotations

from functools import partial

import numpy as np

from merbench.api.declarations.metrics import SumMetric
from merbench.results.metrics.acc2_to_acc7 import (
    accuracy,
    class_rows,
    f1,
    percent,
    two_class_accuracy,
)
from merbench.results.metrics.regression import define
from merbench.results.metrics.sums import CONSTANT, decision_rows, ratio, row_wise

SPAN = (-1.0, 1.0)
WEAK = np.float32(0.4)


def _class(x_N: np.ndarray, edges: tuple[float, ...]) -> np.ndarray:
    """Number of the interval (edge, next edge] that each value is in."""
    return np.digitize(x_N.astype(np.float32), np.array(edges, dtype=np.float32), right=True)


def _between(y: np.ndarray, p: np.ndarray, edges: tuple[float, ...]) -> np.ndarray:
    return class_rows(_class(y, edges), _class(p, edges))


def _weak(y: np.ndarray, p: np.ndarray) -> np.ndarray:
    return class_rows(_class(y, (0.0,)), _class(p, (0.0,)), np.abs(y.astype(np.float32)) <= WEAK)


def _decisions(y: np.ndarray, p: np.ndarray) -> np.ndarray:
    return decision_rows(*(_class(x[:, None], (0.0,)) > 0 for x in (y, p)))


def _residual_rows(y: np.ndarray, p: np.ndarray) -> np.ndarray:
    """[N, 4] = weight, moments of the centred target, squared error."""
    centred = y - y.mean()
    return np.stack([np.ones_like(y), centred, centred**2, (y - p) ** 2], axis=1)


def _r2(sums: np.ndarray) -> np.ndarray:
    n, y, yy, squared_error = np.moveaxis(sums, -1, 0)
    total = yy - ratio(y * y, n)
    return np.where(ratio(total, n) >= CONSTANT**2, 1 - ratio(squared_error, total), np.nan)


SIMS = (
    percent(
        name="acc2_sims",
        title="Acc-2 SIMS",
        value=row_wise(_decisions, two_class_accuracy),
        summary="two classes, y <= 0 and y > 0, all rows",
        spans=SPAN,
        headline=True,
    ),
    percent(
        name="f1_sims",
        title="F1 SIMS",
        value=row_wise(_decisions, f1),
        summary="weighted F1 of the two classes of acc2_sims",
        spans=SPAN,
        headline=True,
    ),
    percent(
        name="acc3_sims",
        title="Acc-3 SIMS",
        value=row_wise(partial(_between, edges=(-0.1, 0.1)), accuracy),
        summary="three classes, cut at -.1 and .1",
        spans=SPAN,
        headline=True,
    ),
    percent(
        name="acc5_sims",
        title="Acc-5 SIMS",
        value=row_wise(partial(_between, edges=(-0.7, -0.1, 0.1, 0.7)), accuracy),
        summary="five classes, cut at -.7, -.1, .1 and .7",
        spans=SPAN,
        headline=True,
    ),
    percent(
        name="acc2_weak",
        title="Acc-2 weak",
        value=row_wise(_weak, accuracy),
        summary="acc2_sims of the rows with |y| <= .4",
        spans=SPAN,
    ),
    define(
        name="r2",
        title="R²",
        value=SumMetric(_residual_rows, _r2),
        summary="coefficient of determination: 1 - squared error / that of the mean target",
        spans=SPAN,
    ),
)
