"""Metrics of a multilabel task: y 0, 1 or nan (not known) [N, C], p decisions [N, C], or
probabilities for those of a ranking.

A label without a positive target has no precision, recall, F1 or average precision (nan) and is
left out of means over labels; a label that is never predicted, though there are positives, has
precision 0.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import numpy as np

from merbench.api.declarations.metrics import MetricDef, SumMetric, WeightedMetric
from merbench.results.metrics.sums import (
    counts,
    decision_rows,
    f1_C,
    macro,
    mean,
    mean_of_defined,
    mean_rows,
    micro,
    precision_C,
    ratio,
    recall_C,
    row_wise,
    two_class_f1,
    weighted_accuracy,
)

_define = partial(
    MetricDef, kinds=("multilabel",), higher_is_better=True, digits=1, scale=100.0, headline=False
)


def label_rows(y_NC: np.ndarray, p_NC: np.ndarray) -> np.ndarray:
    """Decisions, or probabilities that are cut at .5; a cell that is not known counts nowhere."""
    return decision_rows(y_NC > 0.5, p_NC >= 0.5, ~np.isnan(y_NC))


# --- shares of rows


def _row_shares(
    y_NC: np.ndarray, p_NC: np.ndarray, of_row: Callable[..., np.ndarray]
) -> np.ndarray:
    """Rows without a known cell are left out."""
    counts_4N = np.stack(counts(label_rows(y_NC, p_NC))).sum(axis=2)
    return mean_rows(of_row(*counts_4N), counts_4N.sum(axis=0) > 0)


def _jaccard(
    tp: np.ndarray, fp: np.ndarray, fn: np.ndarray, _tn: np.ndarray, empty: float
) -> np.ndarray:
    union = tp + fp + fn
    return np.where(union > 0, tp / np.maximum(union, 1), empty)


def _all_right(_tp: np.ndarray, fp: np.ndarray, fn: np.ndarray, _tn: np.ndarray) -> np.ndarray:
    right: np.ndarray = fp + fn == 0
    return right


def _of_rows(of_row: Callable[..., np.ndarray]) -> SumMetric:
    return row_wise(partial(_row_shares, of_row=of_row), mean)


def _of_labels(value: Callable[[np.ndarray], np.ndarray]) -> SumMetric:
    return row_wise(label_rows, value)


# --- rankings


def average_precision(y_N: np.ndarray, p_N: np.ndarray, weights_RN: np.ndarray) -> np.ndarray:
    """[R]: sum over distinct predictions of the gain in recall times the precision there
    (non-interpolated; ties count as one step).
    """
    known = np.flatnonzero(~np.isnan(y_N))
    order = known[np.argsort(-p_N[known], kind="stable")]
    y, p, weights_RN = y_N[order], p_N[order], weights_RN[:, order]
    positive_P = np.flatnonzero(y)
    if not len(positive_P):
        return np.full(len(weights_RN), math.nan)
    ends = np.append(np.flatnonzero(np.diff(p)), len(p) - 1)
    # Recall grows at positives alone, each of which has the precision at the end of its tie.
    end_P = ends[np.searchsorted(ends, positive_P)]
    gain_RP = weights_RN[:, positive_P]
    tp_RP = np.cumsum(gain_RP, axis=1)[:, np.searchsorted(positive_P, end_P, side="right") - 1]
    # Where nothing was drawn yet nothing is gained.
    precision_RP = ratio(tp_RP, np.cumsum(weights_RN, axis=1)[:, end_P], empty=0.0)
    return ratio((gain_RP * precision_RP).sum(axis=1), gain_RP.sum(axis=1))


def mean_average_precision(
    y_NC: np.ndarray, p_NC: np.ndarray, weights_RN: np.ndarray
) -> np.ndarray:
    """[R]: mean over labels; a label without positives is left out."""
    of_labels = [average_precision(y, p, weights_RN) for y, p in zip(y_NC.T, p_NC.T, strict=True)]
    return mean_of_defined(np.stack(of_labels, axis=-1))


def micro_average_precision(
    y_NC: np.ndarray, p_NC: np.ndarray, weights_RN: np.ndarray
) -> np.ndarray:
    """[R]: all known cells as one ranking."""
    of_cells = np.repeat(weights_RN, y_NC.shape[1], axis=1)
    return average_precision(y_NC.ravel(), p_NC.ravel(), of_cells)


LABEL_METRICS = (
    _define(
        name="micro_f1",
        title="micro-F1",
        value=_of_labels(partial(micro, f1_C)),
        summary="F1 over all cells",
        headline=True,
    ),
    _define(
        name="macro_f1",
        title="macro-F1",
        value=_of_labels(partial(macro, f1_C)),
        summary="mean of the F1 of the labels that occur",
        headline=True,
    ),
    _define(
        name="micro_precision",
        title="Micro precision",
        value=_of_labels(partial(micro, precision_C)),
        summary="precision over all cells",
    ),
    _define(
        name="micro_recall",
        title="Micro recall",
        value=_of_labels(partial(micro, recall_C)),
        summary="recall over all cells",
    ),
    _define(
        name="macro_precision",
        title="Macro precision",
        value=_of_labels(partial(macro, precision_C)),
        summary="mean of the labels' precision",
    ),
    _define(
        name="macro_recall",
        title="Macro recall",
        value=_of_labels(partial(macro, recall_C)),
        summary="mean of the labels' recall",
    ),
    _define(
        name="jaccard",
        title="Jaccard (empty = 1)",
        value=_of_rows(partial(_jaccard, empty=1.0)),
        summary="mean over rows of intersection / union, an empty union counting 1",
        headline=True,
    ),
    _define(
        name="jaccard_repo",
        title="Jaccard (empty = 0)",
        value=_of_rows(partial(_jaccard, empty=0.0)),
        summary="the same, an empty union counting 0 ('Acc' of some public code)",
        headline=True,
    ),
    _define(
        name="subset_accuracy",
        title="Subset accuracy",
        value=_of_rows(_all_right),
        summary="share of rows with every label right",
    ),
    _define(
        name="weighted_accuracy",
        title="Weighted accuracy",
        value=_of_labels(weighted_accuracy),
        summary="mean over labels of (sensitivity + specificity) / 2",
        headline=True,
        per_label=True,
    ),
    _define(
        name="weighted_f1",
        title="weighted F1",
        value=_of_labels(two_class_f1),
        summary="F1 of a label present and absent weighted by support, mean over labels",
        headline=True,
        per_label=True,
    ),
    _define(
        name="map",
        title="mAP",
        value=WeightedMetric(mean_average_precision),
        summary="mean over labels of the non-interpolated average precision",
        headline=True,
        reads="probabilities",
    ),
    _define(
        name="micro_ap",
        title="micro-AP",
        value=WeightedMetric(micro_average_precision),
        summary="average precision of all cells as one ranking",
        reads="probabilities",
    ),
)
