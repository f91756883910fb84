"""Every metric of the suite, in numpy. y = targets, p = predictions; a value that is undefined is
nan (None in a record).

All but the two of the ranking kind are functions of sums over rows, so that one definition serves a
whole split and a bootstrap of it.

Where a convention is needed, it depends on the targets and never on the model, so that models are
compared on the same labels: a label or class without a positive target has no precision, recall, F1
or average precision (nan) and is left out of means over labels; a label that is never predicted,
though there are positives, has precision 0.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from merbench.api.errors import RequestError
from merbench.api.types import LabelSpace, SpaceKind

CONSTANT = 1e-6
"""Scores whose standard deviation is below this (float32 rounding at 3) are constant: they have no
correlation.
"""


@dataclass(frozen=True)
class MetricInfo:
    """``kinds``: the label spaces that have this metric. Names such as ``weighted_f1.happy`` are
    described by the part before the dot.
    """

    name: str
    kinds: tuple[SpaceKind, ...]
    higher_is_better: bool
    summary: str


@dataclass(frozen=True)
class SumMetric:
    """A metric that is a function of sums over rows: ``rows(y, p)`` [N, ...] are added up,
    ``value`` [*batch, ...] -> [*batch].

    The rows may be weighted (an integer weight repeats a row), which is what a bootstrap does.
    """

    rows: Callable[[np.ndarray, np.ndarray], np.ndarray]
    value: Callable[[np.ndarray], np.ndarray]

    def __call__(self, y: np.ndarray, p: np.ndarray) -> float:
        return float(self.value(self.rows(y, p).sum(axis=0)))


def _over(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """a / b, nan where b is 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(b > 0, a / b, np.nan)


def _mean_of_defined(x: np.ndarray) -> np.ndarray:
    """Mean over the last axis of what is not nan."""
    return _over(np.nansum(x, axis=-1), (~np.isnan(x)).sum(axis=-1))


# --- means over rows: [N, 2] = value, weight


def _rows_mean(x_N: np.ndarray, keep_N: np.ndarray | bool = True) -> np.ndarray:
    return np.stack(
        [np.where(keep_N, x_N, 0.0), np.broadcast_to(keep_N, x_N.shape)], axis=1
    ).astype(float)


def _mean(sums: np.ndarray) -> np.ndarray:
    return _over(sums[..., 0], sums[..., 1])


# --- classes that are read off a score: [N, 4] = right, weight, and the moments of the target's
# class


def _rows_classes(y_N: np.ndarray, p_N: np.ndarray, keep_N: np.ndarray | bool = True) -> np.ndarray:
    """``y``, ``p``: whole numbers or truth values."""
    y = np.asarray(y_N, dtype=float)
    rows: np.ndarray = (
        np.stack([y == p_N, np.ones_like(y), y, y * y], axis=1)
        * np.broadcast_to(keep_N, y.shape)[:, None]
    )
    return rows


def _accuracy(sums: np.ndarray) -> np.ndarray:
    """nan where all targets are of one class (their variance is 0), as on a scale that does not
    cross 0: any model would be right.
    """
    right, n, c, cc = np.moveaxis(sums, -1, 0)
    return np.where(n * cc > c * c, _over(right, n), np.nan)


# --- Pearson's r: [N, 6] = moments


def _rows_moments(y_N: np.ndarray, p_N: np.ndarray) -> np.ndarray:
    # Centred first: r does not change, and nothing cancels in the sums.
    y, p = y_N - y_N.mean(), p_N - p_N.mean()
    return np.stack([np.ones_like(y), y, p, y * y, p * p, y * p], axis=1)


def _pearson(sums: np.ndarray) -> np.ndarray:
    n, y, p, yy, pp, yp = np.moveaxis(sums, -1, 0)
    var_y, var_p = _over(yy, n) - _over(y, n) ** 2, _over(pp, n) - _over(p, n) ** 2
    defined = (var_y >= CONSTANT**2) & (var_p >= CONSTANT**2)
    with np.errstate(invalid="ignore"):
        return np.where(
            defined,
            np.clip(_over(_over(yp, n) - _over(y, n) * _over(p, n), np.sqrt(var_y * var_p)), -1, 1),
            np.nan,
        )


# --- decisions: [N, 4, C] = true positives, false positives, false negatives, true negatives of
# each label


def _rows_decisions(
    y_NC: np.ndarray, p_NC: np.ndarray, keep: np.ndarray | bool = True
) -> np.ndarray:
    return np.stack(
        [keep & y_NC & p_NC, keep & ~y_NC & p_NC, keep & y_NC & ~p_NC, keep & ~y_NC & ~p_NC], axis=1
    ).astype(float)


def _counts(sums: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    return sums[..., 0, :], sums[..., 1, :], sums[..., 2, :], sums[..., 3, :]


def precision_C(sums: np.ndarray) -> np.ndarray:
    """[..., 4, C] -> [..., C]: share of what was predicted that is true; 0 where nothing was
    predicted, nan without positives.
    """
    tp, fp, fn, _ = _counts(sums)
    return np.where(tp + fn > 0, np.nan_to_num(_over(tp, tp + fp)), np.nan)


def recall_C(sums: np.ndarray) -> np.ndarray:
    """[..., 4, C] -> [..., C]: share of what is true that was predicted; nan without positives."""
    tp, _, fn, _ = _counts(sums)
    return _over(tp, tp + fn)


def f1_C(sums: np.ndarray) -> np.ndarray:
    """[..., 4, C] -> [..., C]: 2 TP / (2 TP + FP + FN); nan without positives."""
    tp, fp, fn, _ = _counts(sums)
    return np.where(tp + fn > 0, _over(2 * tp, 2 * tp + fp + fn), np.nan)


def _macro(of_C: Callable[[np.ndarray], np.ndarray], sums: np.ndarray) -> np.ndarray:
    return _mean_of_defined(of_C(sums))


def _micro(of_C: Callable[[np.ndarray], np.ndarray], sums: np.ndarray) -> np.ndarray:
    return of_C(sums.sum(axis=-1, keepdims=True))[..., 0]


def _weighted_accuracy(sums: np.ndarray) -> np.ndarray:
    """Mean over labels of (sensitivity + specificity) / 2; a label without positives or without
    negatives is left out.
    """
    return _mean_of_defined((recall_C(sums) + recall_C(sums[..., ::-1, :])) / 2)


def _two_class_f1(sums: np.ndarray) -> np.ndarray:
    """Mean over labels of the support-weighted mean of F1 (present) and F1 (absent). With one
    label: weighted F1 of a two-class task.
    """
    tp, fp, fn, tn = _counts(sums)
    present, absent = np.nan_to_num(f1_C(sums)), np.nan_to_num(f1_C(sums[..., ::-1, :]))
    return _mean_of_defined(_over((tp + fn) * present + (tn + fp) * absent, tp + fp + fn + tn))


def _class_f1(sums: np.ndarray) -> np.ndarray:
    """Support-weighted mean of the classes' F1."""
    tp, _, fn, _ = _counts(sums)
    return _over(((tp + fn) * np.nan_to_num(f1_C(sums))).sum(axis=-1), (tp + fn).sum(axis=-1))


# --- what the three kinds are made of


def _steps(y: np.ndarray, p: np.ndarray, end: int) -> np.ndarray:
    # np.round takes halves to the even neighbour, as the field's code does.
    return _rows_classes(np.round(np.clip(y, -end, end)), np.round(np.clip(p, -end, end)))


def _score_f1(sums: np.ndarray) -> np.ndarray:
    """Weighted F1 of two classes; nan where all targets are of one, as in ``_accuracy``."""
    tp, fp, fn, tn = (x[..., 0] for x in _counts(sums))
    return np.where((tp + fn > 0) & (fp + tn > 0), _two_class_f1(sums), np.nan)


def _class_rows(y_N: np.ndarray, p_NC: np.ndarray) -> np.ndarray:
    classes = np.arange(p_NC.shape[1])
    return _rows_decisions(y_N[:, None] == classes, p_NC.argmax(axis=1)[:, None] == classes)


def _label_rows(y_NC: np.ndarray, p_NC: np.ndarray) -> np.ndarray:
    return _rows_decisions(y_NC > 0.5, p_NC >= 0.5, ~np.isnan(y_NC))


def _row_shares(
    y_NC: np.ndarray, p_NC: np.ndarray, of_row: Callable[..., np.ndarray]
) -> np.ndarray:
    """Rows without a known cell are left out."""
    counts_4N = _label_rows(y_NC, p_NC).sum(axis=2).T
    return _rows_mean(of_row(*counts_4N), counts_4N.sum(axis=0) > 0)


def _jaccard(
    tp: np.ndarray, fp: np.ndarray, fn: np.ndarray, _tn: np.ndarray, empty: float
) -> np.ndarray:
    union = tp + fp + fn
    return np.where(union > 0, tp / np.maximum(union, 1), empty)


def _by_label(value: Callable[[np.ndarray], np.ndarray]) -> SumMetric:
    return SumMetric(_label_rows, value)


SUM_METRICS: Mapping[SpaceKind, Mapping[str, SumMetric]] = {
    "score": {
        "mae": SumMetric(lambda y, p: _rows_mean(np.abs(y - p)), _mean),
        "corr": SumMetric(_rows_moments, _pearson),
        "acc2_has0": SumMetric(lambda y, p: _rows_classes(y >= 0, p >= 0), _accuracy),
        "acc2_non0": SumMetric(lambda y, p: _rows_classes(y > 0, p > 0, y != 0), _accuracy),
        "f1_has0": SumMetric(
            lambda y, p: _rows_decisions(y[:, None] >= 0, p[:, None] >= 0), _score_f1
        ),
        "f1_non0": SumMetric(
            lambda y, p: _rows_decisions(y[:, None] > 0, p[:, None] > 0, y[:, None] != 0), _score_f1
        ),
        "acc3": SumMetric(partial(_steps, end=1), _accuracy),
        "acc5": SumMetric(partial(_steps, end=2), _accuracy),
        "acc7": SumMetric(partial(_steps, end=3), _accuracy),
    },
    "class": {
        "accuracy": SumMetric(lambda y, p: _rows_mean(y == p.argmax(axis=1)), _mean),
        "uar": SumMetric(_class_rows, partial(_macro, recall_C)),
        "weighted_f1": SumMetric(_class_rows, _class_f1),
        "macro_f1": SumMetric(_class_rows, partial(_macro, f1_C)),
    },
    "multilabel": {
        "micro_precision": _by_label(partial(_micro, precision_C)),
        "micro_recall": _by_label(partial(_micro, recall_C)),
        "micro_f1": _by_label(partial(_micro, f1_C)),
        "macro_precision": _by_label(partial(_macro, precision_C)),
        "macro_recall": _by_label(partial(_macro, recall_C)),
        "macro_f1": _by_label(partial(_macro, f1_C)),
        "jaccard": SumMetric(partial(_row_shares, of_row=partial(_jaccard, empty=1.0)), _mean),
        "jaccard_repo": SumMetric(partial(_row_shares, of_row=partial(_jaccard, empty=0.0)), _mean),
        "subset_accuracy": SumMetric(
            partial(_row_shares, of_row=lambda tp, fp, fn, tn: fp + fn == 0), _mean
        ),
        "weighted_accuracy": _by_label(_weighted_accuracy),
        "weighted_f1": _by_label(_two_class_f1),
    },
}
"""Kind -> name -> metric. multilabel: y is 0, 1 or nan (not known), p is decisions (bool) or
probabilities that are cut at .5.
"""


# --- metrics of a ranking


def average_precision(y_N: np.ndarray, p_N: np.ndarray) -> float:
    """Sum over distinct predictions of the gain in recall times the precision there
    (non-interpolated; ties count as one step).
    """
    known = ~np.isnan(y_N)
    order = np.argsort(-p_N[known], kind="stable")
    y, p = y_N[known][order], p_N[known][order]
    if not y.any():
        return math.nan
    ends = np.append(np.flatnonzero(np.diff(p)), len(p) - 1)
    tp = np.cumsum(y)[ends]
    return float(np.diff(tp, prepend=0) @ (tp / (ends + 1)) / tp[-1])


def mean_average_precision(y_NC: np.ndarray, p_NC: np.ndarray) -> float:
    """Mean over labels; a label without positives is left out."""
    return float(
        _mean_of_defined(
            np.array([average_precision(y, p) for y, p in zip(y_NC.T, p_NC.T, strict=True)])
        )
    )


def micro_average_precision(y_NC: np.ndarray, p_NC: np.ndarray) -> float:
    """All known cells as one ranking."""
    return average_precision(y_NC.ravel(), p_NC.ravel())


RANK_METRICS: Mapping[str, Callable[[np.ndarray, np.ndarray], float]] = {
    "map": mean_average_precision,
    "micro_ap": micro_average_precision,
}
"""Name -> function of y [N, C] (0, 1, nan = not known) and probabilities p [N, C]."""


# --- a whole split


def score_metrics(y_N: np.ndarray, p_N: np.ndarray) -> dict[str, float]:
    """Metrics of a score in [-3, 3] over all N rows.

    ``acc7``, ``acc5``, ``acc3``: both clipped to ±3, ±2, ±1 and rounded half to even. ``*_has0``: y
    >= 0 against p >= 0, all rows. ``*_non0``: rows with y == 0 dropped, then y > 0 against p > 0;
    nan where no row is left. F1 is weighted by support over the two classes. All of these are nan
    where all targets are of one class, as on a scale that does not cross 0. ``corr`` is nan where y
    or p is constant. Raises ValueError for arrays that do not fit or are not finite.
    """
    y_N, p_N = _checked(y_N, p_N, ndim=1)
    _require(y_N.shape == p_N.shape, f"there are {len(y_N)} targets and {len(p_N)} predictions")
    _require(bool(np.isfinite(y_N).all()), "a target is not finite")
    return {name: metric(y_N, p_N) for name, metric in SUM_METRICS["score"].items()}


def class_metrics(y_N: np.ndarray, p_NC: np.ndarray, words: Sequence[str]) -> dict[str, float]:
    """Metrics of class numbers y against probabilities p; the first of equal probabilities is the
    prediction.

    ``uar`` and ``macro_f1`` are means over the classes that occur in y. Raises ValueError as
    ``score_metrics``.
    """
    y_N, p_NC = _checked(y_N, p_NC, ndim=2)
    _require(
        y_N.ndim == 1 and len(y_N) == len(p_NC),
        f"there are {len(y_N)} targets and {len(p_NC)} predictions",
    )
    _require(
        p_NC.shape[1] == len(words),
        f"there are {len(words)} classes and {p_NC.shape[1]} columns of predictions",
    )
    _require(
        bool(np.isin(y_N, np.arange(len(words))).all()),
        f"a target is not one of the class numbers 0 to {len(words) - 1}",
    )
    return {name: metric(y_N, p_NC) for name, metric in SUM_METRICS["class"].items()}


def multilabel_metrics(
    y_NC: np.ndarray,
    p_NC: np.ndarray,
    words: Sequence[str],
    thresholds: np.ndarray,
    known_NC: np.ndarray | None = None,
) -> dict[str, float]:
    """Metrics of targets y (0 or 1) against probabilities p; a label is predicted where p >= its
    threshold ([C], or [N, C] where rows of several folds, each with thresholds of its own, are
    pooled).

    Only cells in ``known_NC`` count (None = all). micro: all cells as one; macro: mean over labels.
    A label without positives has no precision, recall, F1, AP (nan) and is left out of the means;
    one never predicted has precision 0. ``jaccard`` and ``jaccard_repo`` are means over rows of
    intersection / union, where an empty union counts 1 and 0. ``weighted_accuracy`` is the mean
    over labels of (sensitivity + specificity) / 2, for labels with both; ``weighted_f1`` of the F1
    of present and absent weighted by support; both also as ``<name>.<word>``. ``map`` and
    ``micro_ap`` are non-interpolated. Raises ValueError as ``score_metrics``.
    """
    y_NC = _with_unknown(y_NC, p_NC, known_NC)
    p_NC = np.asarray(p_NC, dtype=float)
    _require(
        p_NC.shape[1] == len(words),
        f"there are {len(words)} labels and {p_NC.shape[1]} columns of predictions",
    )
    shape = np.shape(thresholds)
    _require(
        shape in ((len(words),), p_NC.shape),
        f"predictions are {p_NC.shape} and thresholds {shape}; give one a label, or one a cell",
    )
    decided_NC = p_NC >= thresholds
    metrics = {name: metric(y_NC, decided_NC) for name, metric in SUM_METRICS["multilabel"].items()}
    for name in ("weighted_accuracy", "weighted_f1"):
        metric = SUM_METRICS["multilabel"][name]
        metrics |= {
            f"{name}.{word}": metric(y_NC[:, [c]], decided_NC[:, [c]])
            for c, word in enumerate(words)
        }
    return metrics | {name: function(y_NC, p_NC) for name, function in RANK_METRICS.items()}


def evaluate(
    space: LabelSpace,
    y: np.ndarray,
    p: np.ndarray,
    thresholds: Sequence[float] | np.ndarray | None = None,
    known: np.ndarray | None = None,
) -> dict[str, float | None]:
    """All metrics of the space's kind, by name, as JSON takes them: undefined is None. A joint
    space has those of both parts.

    y and p as in ``score_metrics``, ``class_metrics``, ``multilabel_metrics``, of a joint space
    both [N, 1 + C]. ``thresholds`` [C] of labels; None = .5. ``known`` bool: cells of a multilabel
    or joint task, rows [N] of another. Raises ValueError with one sentence where they do not fit.
    """
    if space.parts:
        for x in (y, p, y if known is None else known):
            _require(
                np.ndim(x) == 2,
                f"two tasks at once have a column for the score and one for each label, and here are {np.shape(x)}",
            )
        each = zip(space.parts, *map(space.split_targets, (y, p, known)), strict=True)
        return {
            k: v
            for part, of_y, of_p, seen in each
            for k, v in evaluate(part, of_y, of_p, thresholds, seen).items()
        }
    if space.kind == "multilabel":
        cut = (
            np.full(len(space.words), 0.5)
            if thresholds is None
            else np.asarray(thresholds, dtype=float)
        )
        found = multilabel_metrics(y, p, space.words, cut, known)
    else:
        if known is not None:
            _require(
                np.shape(known) == np.shape(y),
                f"there are {len(y)} targets and a mask of shape {np.shape(known)}",
            )
            y, p = np.asarray(y)[known], np.asarray(p)[known]
        found = score_metrics(y, p) if space.kind == "score" else class_metrics(y, p, space.words)
    return {name: None if math.isnan(value) else value for name, value in found.items()}


def definable(
    space: LabelSpace, metric: str, y: np.ndarray, known: np.ndarray | None = None
) -> bool:
    """Whether any prediction has this metric on these targets (as in ``evaluate``): the right one
    is tried.
    """
    right = (
        np.eye(len(space.words))[y]
        if space.kind == "class"
        else np.nan_to_num(np.asarray(y, dtype=float))
    )
    return evaluate(space, y, right, None, known)[metric] is not None


# --- thresholds

GRID = np.array(sorted(range(5, 100, 5), key=lambda k: (abs(k - 50), k))) / 100
"""From .5 outwards, so that the first of the best is the one closest to .5 (of two, the lower)."""


def choose_thresholds(
    policy: str, y_NC: np.ndarray, p_NC: np.ndarray, known_NC: np.ndarray | None = None
) -> np.ndarray:
    """[C] thresholds from validation targets and probabilities; never call it with test rows.

    ``fixed:T``: T for every label. ``tuned_on_valid``: the one of .05, .10, ... .95 with the best
    micro F1. ``tuned_on_valid_per_label``: each label's best F1. Of equals the closest to .5 is
    taken (so .5 where there is no positive). RequestError for another policy.
    """
    name, _, text = policy.partition(":")
    if name == "fixed":
        try:
            threshold = float(text)
        except ValueError:
            threshold = math.nan
        if not 0 < threshold < 1:
            raise RequestError(
                f"thresholds {policy!r}: write a number between 0 and 1 after 'fixed:', such as fixed:0.5"
            )
        return np.full(np.shape(p_NC)[1], threshold)
    if policy not in ("tuned_on_valid", "tuned_on_valid_per_label"):
        raise RequestError(
            f"thresholds {policy!r} is not known; use fixed:0.5, tuned_on_valid or tuned_on_valid_per_label"
        )
    y_NC = _with_unknown(y_NC, p_NC, known_NC)
    sums = np.stack(
        [_label_rows(y_NC, np.asarray(p_NC) >= threshold).sum(axis=0) for threshold in GRID]
    )
    if policy == "tuned_on_valid":
        sums = np.repeat(sums.sum(axis=-1, keepdims=True), np.shape(p_NC)[1], axis=-1)
    best_C: np.ndarray = GRID[np.nan_to_num(f1_C(sums)).argmax(axis=0)]
    return best_C


def thresholds_of(
    space: LabelSpace, policy: str, y: np.ndarray, p: np.ndarray, known: np.ndarray | None = None
) -> np.ndarray | None:
    """``choose_thresholds`` for the labels of a space; None for a space that has none to decide on."""
    for part, *given in zip(space.tasks, *map(space.split_targets, (y, p, known)), strict=True):
        if part.kind == "multilabel":
            return choose_thresholds(policy, *given)
    return None


# --- checks


def _require(holds: bool, sentence: str) -> None:
    if not holds:
        raise ValueError(sentence)


def _checked(y: np.ndarray, p: np.ndarray, ndim: int) -> tuple[np.ndarray, np.ndarray]:
    y, p = np.asarray(y, dtype=float), np.asarray(p, dtype=float)
    _require(p.ndim == ndim, f"predictions have {p.ndim} axes where {ndim} are needed")
    _require(p.size > 0, "there are no rows to score")
    _require(bool(np.isfinite(p).all()), f"{(~np.isfinite(p)).sum()} predictions are not finite")
    return y, p


def _with_unknown(y_NC: np.ndarray, p_NC: np.ndarray, known_NC: np.ndarray | None) -> np.ndarray:
    """The targets with nan where they are not known."""
    y_NC, p_NC = _checked(y_NC, p_NC, ndim=2)
    _require(
        y_NC.shape == p_NC.shape,
        f"targets have the shape {y_NC.shape} and predictions {p_NC.shape}",
    )
    if known_NC is None:
        known_NC = np.ones(y_NC.shape, dtype=bool)
    _require(
        np.shape(known_NC) == y_NC.shape,
        f"targets have the shape {y_NC.shape} and the mask of known ones {np.shape(known_NC)}",
    )
    _require(
        bool(np.isin(y_NC[known_NC], (0.0, 1.0)).all()),
        "a target of a multilabel task is neither 0 nor 1",
    )
    return np.where(known_NC, y_NC, np.nan)


# --- descriptions


_SCORE: tuple[SpaceKind, ...] = ("score", "joint")
_CLASS: tuple[SpaceKind, ...] = ("class",)
_LABELS: tuple[SpaceKind, ...] = ("multilabel", "joint")
_BOTH: tuple[SpaceKind, ...] = ("class", *_LABELS)

METRICS: Mapping[str, MetricInfo] = {
    info.name: info
    for info in (
        MetricInfo("mae", _SCORE, False, "mean absolute error"),
        MetricInfo("corr", _SCORE, True, "Pearson's r; missing for constant predictions"),
        MetricInfo(
            "acc2_has0",
            _SCORE,
            True,
            "two classes, y >= 0 against p >= 0, all rows; none where y has one class",
        ),
        MetricInfo(
            "acc2_non0",
            _SCORE,
            True,
            "two classes, y > 0 against p > 0, without the rows whose y is 0",
        ),
        MetricInfo("f1_has0", _SCORE, True, "weighted F1 of the two classes of acc2_has0"),
        MetricInfo("f1_non0", _SCORE, True, "weighted F1 of the two classes of acc2_non0"),
        MetricInfo("acc3", _SCORE, True, "three classes: clipped to ±1 and rounded half to even"),
        MetricInfo("acc5", _SCORE, True, "five classes: clipped to ±2 and rounded half to even"),
        MetricInfo("acc7", _SCORE, True, "seven classes: clipped to ±3 and rounded half to even"),
        MetricInfo("accuracy", _CLASS, True, "share of rows"),
        MetricInfo("uar", _CLASS, True, "unweighted mean of the recall of the classes that occur"),
        MetricInfo(
            "weighted_f1",
            _BOTH,
            True,
            "F1 weighted by support: over the classes; of a label present and absent, mean over labels",
        ),
        MetricInfo("macro_f1", _BOTH, True, "mean of the F1 of the classes or labels that occur"),
        MetricInfo("micro_precision", _LABELS, True, "precision over all cells"),
        MetricInfo("micro_recall", _LABELS, True, "recall over all cells"),
        MetricInfo("micro_f1", _LABELS, True, "F1 over all cells"),
        MetricInfo("macro_precision", _LABELS, True, "mean of the labels' precision"),
        MetricInfo("macro_recall", _LABELS, True, "mean of the labels' recall"),
        MetricInfo(
            "jaccard",
            _LABELS,
            True,
            "mean over rows of intersection / union, an empty union counting 1",
        ),
        MetricInfo(
            "jaccard_repo",
            _LABELS,
            True,
            "the same, an empty union counting 0 ('Acc' of some public code)",
        ),
        MetricInfo("subset_accuracy", _LABELS, True, "share of rows with every label right"),
        MetricInfo(
            "weighted_accuracy",
            _LABELS,
            True,
            "mean over labels of (sensitivity + specificity) / 2",
        ),
        MetricInfo(
            "map", _LABELS, True, "mean over labels of the non-interpolated average precision"
        ),
        MetricInfo("micro_ap", _LABELS, True, "average precision of all cells as one ranking"),
    )
}

_HEADLINES: dict[SpaceKind, tuple[str, ...]] = {
    "score": ("mae", "corr", "acc2_has0", "acc2_non0", "f1_has0", "f1_non0", "acc5", "acc7"),
    "class": ("accuracy", "uar", "weighted_f1", "macro_f1"),
    "multilabel": (
        "micro_f1",
        "macro_f1",
        "jaccard",
        "jaccard_repo",
        "weighted_accuracy",
        "weighted_f1",
        "map",
    ),
}


_HEADLINES["joint"] = _HEADLINES["score"] + _HEADLINES["multilabel"]


def headline(kind: SpaceKind) -> tuple[str, ...]:
    """The metrics that a table shows, in its order."""
    return _HEADLINES[kind]


def of_score(metric: str) -> bool:
    """Whether a metric is one of scores: of a joint task it looks at the score, any other at the
    labels.
    """
    return "score" in METRICS[metric.partition(".")[0]].kinds


def default_metric(kind: SpaceKind) -> str:
    """The metric that selects epochs and ranks a board, where nothing else is asked for; of a joint
    task the score's.
    """
    return _HEADLINES[kind][0]


def selecting(metric: str, kind: SpaceKind) -> str:
    """The metric that ``train.select`` names, or the default. RequestError where the task has no
    such metric.
    """
    metric = metric or default_metric(kind)
    if metric not in METRICS or kind not in METRICS[metric].kinds:
        known = ", ".join(name for name, info in METRICS.items() if kind in info.kinds)
        raise RequestError(
            f"train.select={metric!r} is no metric of a {kind} task; there are: {known}"
        )
    return metric
