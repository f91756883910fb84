"""Metrics of a score that is read as classes: Acc-2, Acc-3, Acc-5, Acc-7, and F1 of two."""

from __future__ import annotations

from functools import partial

import numpy as np

from merbench.api.declarations.metrics import MetricDef
from merbench.results.metrics.regression import define
from merbench.results.metrics.sums import counts, decision_rows, ratio, row_wise

percent = partial(define, digits=1, scale=100.0)


# --- classes: [N, 4] = right, weight, and the moments of the target's class


def class_rows(y_N: np.ndarray, p_N: np.ndarray, keep_N: np.ndarray | bool = True) -> np.ndarray:
    """``y``, ``p``: whole numbers or truth values."""
    y = np.asarray(y_N, dtype=float)
    rows: np.ndarray = (
        np.stack([y == p_N, np.ones_like(y), y, y * y], axis=1)
        * np.broadcast_to(keep_N, y.shape)[:, None]
    )
    return rows


def accuracy(sums: np.ndarray) -> np.ndarray:
    """nan where all targets are of one class (their variance is 0), as on a scale that does not
    cross 0: any model would be right.
    """
    right, n, c, cc = np.moveaxis(sums, -1, 0)
    return np.where(n * cc > c * c, ratio(right, n), np.nan)


def two_class_accuracy(sums: np.ndarray) -> np.ndarray:
    """``accuracy`` from the sums of ``decision_rows``."""
    tp, _, _, tn = counts(sums)
    return _of_both_classes(sums, ratio(tp + tn, sums[..., 3, :])[..., 0])


def f1(sums: np.ndarray) -> np.ndarray:
    """Weighted F1 of two classes; nan where all targets are of one, as in ``accuracy``."""
    # As ``two_class_f1`` of one label, less what nan costs there: many resamples ask for it.
    tp, fp, fn, tn = (x[..., 0] for x in counts(sums))
    wrong = fp + fn
    present, absent = ratio(2 * tp, 2 * tp + wrong), ratio(2 * tn, 2 * tn + wrong)
    value = ratio((tp + fn) * present + (tn + fp) * absent, tp + wrong + tn)
    return _of_both_classes(sums, value)


def _of_both_classes(sums: np.ndarray, value: np.ndarray) -> np.ndarray:
    positive, known = sums[..., 2, 0], sums[..., 3, 0]
    return np.where((positive > 0) & (known > positive), value, np.nan)


def _has_zero(y: np.ndarray, p: np.ndarray) -> np.ndarray:
    return decision_rows(y[:, None] >= 0, p[:, None] >= 0)


def _non_zero(y: np.ndarray, p: np.ndarray) -> np.ndarray:
    return decision_rows(y[:, None] > 0, p[:, None] > 0, y[:, None] != 0)


def _steps(y: np.ndarray, p: np.ndarray, end: int) -> np.ndarray:
    # np.round takes halves to the even neighbour, as the field's code does.
    return class_rows(np.round(np.clip(y, -end, end)), np.round(np.clip(p, -end, end)))


def _step_accuracy(name: str, words: str, end: int, headline: bool) -> MetricDef:
    return percent(
        name=name,
        title=f"Acc-{2 * end + 1}",
        value=row_wise(partial(_steps, end=end), accuracy),
        summary=f"{words} classes: clipped to ±{end} and rounded half to even",
        spans=(-3.0, 3.0),
        headline=headline,
    )


CLASSES = (
    percent(
        name="acc2_has0",
        title="Acc-2 has0",
        value=row_wise(_has_zero, two_class_accuracy),
        summary="two classes, y >= 0 against p >= 0, all rows; none where y has one class",
        headline=True,
        pair="acc2_non0",
    ),
    percent(
        name="acc2_non0",
        title="Acc-2 non0",
        value=row_wise(_non_zero, two_class_accuracy),
        summary="two classes, y > 0 against p > 0, without the rows whose y is 0",
        headline=True,
    ),
    percent(
        name="f1_has0",
        title="F1 has0",
        value=row_wise(_has_zero, f1),
        summary="weighted F1 of the two classes of acc2_has0",
        headline=True,
        pair="f1_non0",
    ),
    percent(
        name="f1_non0",
        title="F1 non0",
        value=row_wise(_non_zero, f1),
        summary="weighted F1 of the two classes of acc2_non0",
        headline=True,
    ),
    _step_accuracy("acc3", "three", 1, headline=False),
    _step_accuracy("acc5", "five", 2, headline=True),
    _step_accuracy("acc7", "seven", 3, headline=True),
)
