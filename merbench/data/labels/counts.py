"""How often label words occur, alone and together, in the train rows."""

from __future__ import annotations

import numpy as np

from merbench.api.material.corpus import Task
from merbench.api.material.types import LabelCounts, LabelSpace


def label_counts(task: Task, train_rows: np.ndarray) -> LabelCounts:
    """The counts of ``merbench.api.LabelCounts`` over the given (train) rows."""
    target, space = task.target[train_rows], task.space
    known = task.is_known(train_rows)
    parts = list(
        zip(space.tasks, space.split_targets(target), space.split_targets(known), strict=True)
    )
    counted = [_counted(*part) for part in parts]
    known_nC, positive_nC = (
        np.concatenate(arrays, axis=1) for arrays in zip(*counted, strict=True)
    )
    scores = [y[observed] for part, y, observed in parts if part.kind == "score"]
    median = float(np.median(scores[0])) if scores and len(scores[0]) else 0.0
    observed_nC = known_nC.astype(np.float64)
    return LabelCounts(
        known_C=observed_nC.sum(0),
        positive_C=positive_nC.sum(0),
        together_CC=positive_nC.T @ positive_nC,
        median=median,
        positive_known_CC=positive_nC.T @ observed_nC,
    )


def _counted(
    space: LabelSpace, target: np.ndarray, known: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Both [n, C], by word: whether it is observed, and how positive it is (0 where it is not)."""
    if space.kind == "multilabel":
        return known, ((target > 0.5) & known).astype(np.float64)
    if space.kind == "score":
        share_nC = _anchor_shares(target.astype(np.float64), np.array(space.anchors))
    else:
        share_nC = np.eye(len(space.words))[target]
    return np.broadcast_to(known[:, None], share_nC.shape), np.where(known[:, None], share_nC, 0.0)


def _anchor_shares(y_n: np.ndarray, anchors_C: np.ndarray) -> np.ndarray:
    """[n, C]: ``merbench.api.soft_targets`` without torch: each score split between its two
    neighbouring anchors.
    """
    y_n = np.clip(y_n, anchors_C[0], anchors_C[-1])
    upper_n = np.clip(np.searchsorted(anchors_C, y_n), 1, len(anchors_C) - 1)
    share_n = (y_n - anchors_C[upper_n - 1]) / (anchors_C[upper_n] - anchors_C[upper_n - 1])
    out_nC = np.zeros((len(y_n), len(anchors_C)))
    rows_n = np.arange(len(y_n))
    out_nC[rows_n, upper_n - 1], out_nC[rows_n, upper_n] = 1 - share_n, share_n
    return out_nC
