"""Metrics of a task of classes: y class numbers [N], p probabilities [N, C]. The first of equal
probabilities is the prediction.
"""

from __future__ import annotations

from functools import partial

import numpy as np

from merbench.api.declarations.metrics import MetricDef
from merbench.results.metrics.sums import (
    decision_rows,
    f1_C,
    macro,
    ratio,
    recall_C,
    row_wise,
)

_define = partial(
    MetricDef, kinds=("class",), higher_is_better=True, digits=1, scale=100.0, headline=True
)


def _one_against_rest(y_N: np.ndarray, p_NC: np.ndarray) -> np.ndarray:
    classes = np.arange(p_NC.shape[1])
    return decision_rows(y_N[:, None] == classes, p_NC.argmax(axis=1)[:, None] == classes)


def _accuracy(sums: np.ndarray) -> np.ndarray:
    tp, _, positive, _ = np.moveaxis(sums, -2, 0)
    return ratio(tp.sum(axis=-1), positive.sum(axis=-1))


def _weighted_f1(sums: np.ndarray) -> np.ndarray:
    positive = sums[..., 2, :]
    return ratio((positive * np.nan_to_num(f1_C(sums))).sum(axis=-1), positive.sum(axis=-1))


CLASS_METRICS = (
    _define(
        name="accuracy",
        title="Accuracy",
        value=row_wise(_one_against_rest, _accuracy),
        summary="share of rows",
    ),
    _define(
        name="uar",
        title="UAR",
        value=row_wise(_one_against_rest, partial(macro, recall_C)),
        summary="unweighted mean of the recall of the classes that occur",
    ),
    _define(
        name="weighted_f1",
        title="weighted F1",
        value=row_wise(_one_against_rest, _weighted_f1),
        summary="F1 of the classes, weighted by how often each occurs",
    ),
    _define(
        name="macro_f1",
        title="macro-F1",
        value=row_wise(_one_against_rest, partial(macro, f1_C)),
        summary="mean of the F1 of the classes that occur",
    ),
)
