"""What formulas over sums are made of: for each row a few numbers, and a function of their sums."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from merbench.api.declarations.metrics import SumMetric

row_wise = partial(SumMetric, row_wise=True)
CONSTANT = 1e-6
"""Scores whose standard deviation is below this (float32 rounding at 3) are constant: they have no
correlation.
"""


def ratio(a: np.ndarray, b: np.ndarray, empty: float = np.nan) -> np.ndarray:
    """a / b, ``empty`` where b is 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(b > 0, a / b, empty)


def mean_of_defined(x: np.ndarray) -> np.ndarray:
    """Mean over the last axis of what is not nan."""
    return ratio(np.nansum(x, axis=-1), (~np.isnan(x)).sum(axis=-1))


# --- a mean over rows: [N, 2] = value, weight


def mean_rows(x_N: np.ndarray, keep_N: np.ndarray | bool = True) -> np.ndarray:
    return np.stack(
        [np.where(keep_N, x_N, 0.0), np.broadcast_to(keep_N, x_N.shape)], axis=1
    ).astype(float)


def mean(sums: np.ndarray) -> np.ndarray:
    return ratio(sums[..., 0], sums[..., 1])


# --- decisions: [N, 4, C] = true positives, predicted positives, positives and known cells of each
# label. The last two are the same for all predictions, and a bootstrap sums them once.


def decision_rows(y_NC: np.ndarray, p_NC: np.ndarray, keep: np.ndarray | bool = True) -> np.ndarray:
    y_NC, p_NC = keep & y_NC, keep & p_NC
    known_NC = np.broadcast_to(keep, y_NC.shape)
    return np.stack([y_NC & p_NC, p_NC, y_NC, known_NC], axis=1).astype(float)


def counts(sums: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """[..., 4, C] -> true positives, false positives, false negatives, true negatives [..., C]."""
    tp, predicted, positive, known = np.moveaxis(sums, -2, 0)
    fp = predicted - tp
    return tp, fp, positive - tp, known - positive - fp


def absent(sums: np.ndarray) -> np.ndarray:
    """[..., 4, C] -> the sums of the contrary: of what is absent, and predicted to be."""
    tp, fp, fn, tn = counts(sums)
    return np.stack([tn, tn + fn, tn + fp, tp + fp + fn + tn], axis=-2)


def precision_C(sums: np.ndarray) -> np.ndarray:
    """[..., 4, C] -> [..., C]: share of what was predicted that is true; 0 where nothing was
    predicted, nan without positives.
    """
    tp, predicted, positive, _ = np.moveaxis(sums, -2, 0)
    return np.where(positive > 0, np.nan_to_num(ratio(tp, predicted)), np.nan)


def recall_C(sums: np.ndarray) -> np.ndarray:
    """[..., 4, C] -> [..., C]: share of what is true that was predicted; nan without positives."""
    tp, _, positive, _ = np.moveaxis(sums, -2, 0)
    return ratio(tp, positive)


def f1_C(sums: np.ndarray) -> np.ndarray:
    """[..., 4, C] -> [..., C]: 2 TP / (2 TP + FP + FN); nan without positives."""
    tp, predicted, positive, _ = np.moveaxis(sums, -2, 0)
    return np.where(positive > 0, ratio(2 * tp, predicted + positive), np.nan)


def macro(of_C: Callable[[np.ndarray], np.ndarray], sums: np.ndarray) -> np.ndarray:
    """Mean over labels."""
    return mean_of_defined(of_C(sums))


def micro(of_C: Callable[[np.ndarray], np.ndarray], sums: np.ndarray) -> np.ndarray:
    """All cells as one label."""
    return of_C(sums.sum(axis=-1, keepdims=True))[..., 0]


def weighted_accuracy(sums: np.ndarray) -> np.ndarray:
    """Mean over labels of (sensitivity + specificity) / 2; a label without positives or without
    negatives is left out.
    """
    return mean_of_defined((recall_C(sums) + recall_C(absent(sums))) / 2)


def two_class_f1(sums: np.ndarray) -> np.ndarray:
    """Mean over labels of the support-weighted mean of F1 (present) and F1 (absent). With one
    label: weighted F1 of a two-class task.
    """
    _, _, positive, known = np.moveaxis(sums, -2, 0)
    present, absent_f1 = np.nan_to_num(f1_C(sums)), np.nan_to_num(f1_C(absent(sums)))
    return mean_of_defined(ratio(positive * present + (known - positive) * absent_f1, known))
