"""Arrays that go into a metric: of one shape, finite, and targets that the task can have."""

from __future__ import annotations

import numpy as np


def require(holds: bool, sentence: str) -> None:
    """ValueError with ``sentence`` where it does not hold."""
    if not holds:
        raise ValueError(sentence)


def checked(y: np.ndarray, p: np.ndarray, ndim: int) -> tuple[np.ndarray, np.ndarray]:
    """As float64. ``ndim``: axes that predictions must have."""
    y, p = np.asarray(y, dtype=float), np.asarray(p, dtype=float)
    require(p.ndim == ndim, f"predictions have {p.ndim} axes where {ndim} are needed")
    require(p.size > 0, "there are no rows to score")
    require(bool(np.isfinite(p).all()), f"{(~np.isfinite(p)).sum()} predictions are not finite")
    return y, p


def known_rows(
    y: np.ndarray, p: np.ndarray, known_N: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    """The rows whose target is known (None = all)."""
    if known_N is None:
        return y, p
    require(
        np.shape(known_N) == np.shape(y),
        f"there are {len(y)} targets and a mask of shape {np.shape(known_N)}",
    )
    return np.asarray(y)[known_N], np.asarray(p)[known_N]


def scores(y_N: np.ndarray, p_N: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of a score [N] and [N]."""
    y_N, p_N = checked(y_N, p_N, ndim=1)
    require(y_N.shape == p_N.shape, f"there are {len(y_N)} targets and {len(p_N)} predictions")
    require(bool(np.isfinite(y_N).all()), "a target is not finite")
    return y_N, p_N


def classes(y_N: np.ndarray, p_NC: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Class numbers [N] and probabilities [N, ``count``]."""
    y_N, p_NC = checked(y_N, p_NC, ndim=2)
    require(
        y_N.ndim == 1 and len(y_N) == len(p_NC),
        f"there are {len(y_N)} targets and {len(p_NC)} predictions",
    )
    require(
        p_NC.shape[1] == count,
        f"there are {count} classes and {p_NC.shape[1]} columns of predictions",
    )
    require(
        bool(np.isin(y_N, np.arange(count)).all()),
        f"a target is not one of the class numbers 0 to {count - 1}",
    )
    return y_N, p_NC


def decisions(p_NC: np.ndarray, thresholds: np.ndarray, count: int) -> np.ndarray:
    """[N, C] where a probability reaches its threshold: [C], or [N, C] where rows of several folds,
    each with thresholds of its own, are pooled.
    """
    require(
        p_NC.shape[1] == count,
        f"there are {count} labels and {p_NC.shape[1]} columns of predictions",
    )
    shape = np.shape(thresholds)
    require(
        shape in ((count,), p_NC.shape),
        f"predictions are {p_NC.shape} and thresholds {shape}; give one a label, or one a cell",
    )
    decided: np.ndarray = p_NC >= thresholds
    return decided


def with_unknown(y_NC: np.ndarray, p_NC: np.ndarray, known_NC: np.ndarray | None) -> np.ndarray:
    """The targets with nan where they are not known."""
    y_NC, p_NC = checked(y_NC, p_NC, ndim=2)
    require(
        y_NC.shape == p_NC.shape,
        f"targets have the shape {y_NC.shape} and predictions {p_NC.shape}",
    )
    if known_NC is None:
        known_NC = np.ones(y_NC.shape, dtype=bool)
    require(
        np.shape(known_NC) == y_NC.shape,
        f"targets have the shape {y_NC.shape} and the mask of known ones {np.shape(known_NC)}",
    )
    require(
        bool(np.isin(y_NC[known_NC], (0.0, 1.0)).all()),
        "a target of a multilabel task is neither 0 nor 1",
    )
    return np.where(known_NC, y_NC, np.nan)
