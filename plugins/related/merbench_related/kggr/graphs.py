"""Label graphs [C, C]: what a label says of another, from train counts, anchors or words. Plain
numpy.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from merbench.api import LabelCounts

Normalisation = Literal["none", "row", "sym"]


def conditional(counts: LabelCounts, min_count: float = 1.0) -> np.ndarray:
    """P [C, C]: P[i, j] = P(label j | label i) over train rows in which both are known; 1 on the
    diagonal.

    A label seen fewer than ``min_count`` times says nothing of the others: its row is 0 beside the
    diagonal, never NaN. (A score: seen is the total weight of its anchor.)
    """
    together_CC = np.asarray(counts.together_CC, dtype=np.float64)
    seen_CC = counts.positive_known_CC
    if seen_CC is None:
        seen_CC = np.broadcast_to(counts.positive_C[:, None], together_CC.shape)
    enough_CC = seen_CC >= max(min_count, 1e-9)
    p_CC = np.where(enough_CC, together_CC / np.where(enough_CC, seen_CC, 1.0), 0.0)
    np.fill_diagonal(p_CC, 1.0)
    return p_CC


def ordinal(anchors: np.ndarray, reach: float) -> np.ndarray:
    """[C, C]: exp(-|a_i - a_j| / reach), of a score's anchors."""
    return np.exp(-np.abs(anchors[:, None] - anchors[None]) / reach)


def semantic(vectors_CD: np.ndarray) -> np.ndarray:
    """[C, C]: positive part of the cosines of label vectors without their common component (the
    cosines of any two words are alike before it is taken off); 1 on the diagonal.
    """
    centred_CD = vectors_CD - vectors_CD.mean(0)
    unit_CD = centred_CD / np.maximum(np.linalg.norm(centred_CD, axis=1, keepdims=True), 1e-12)
    cosine_CC = np.clip(unit_CD @ unit_CD.T, 0.0, 1.0)
    np.fill_diagonal(cosine_CC, 1.0)
    return cosine_CC


def normalised(graph_CC: np.ndarray, rule: Normalisation) -> np.ndarray:
    """``row``: rows sum to 1. ``sym``: D^(-1/2) G D^(-1/2), D the row sums of |G|."""
    if rule == "none":
        return graph_CC
    degree_C = np.maximum(np.abs(graph_CC).sum(1), 1e-12)
    if rule == "row":
        return graph_CC / degree_C[:, None]
    return graph_CC / np.sqrt(degree_C[:, None] * degree_C[None])
