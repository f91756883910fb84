"""The structured label prior as matrices [C, C] (Ding et al. 2023, arXiv 2303.13223, section 3.2).
Plain numpy.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

Contrast = Literal["centre", "softmax", "none"]


def cosines(vectors_CD: np.ndarray) -> np.ndarray:
    """[C, C] of the rows."""
    norm_C1 = np.linalg.norm(vectors_CD, axis=1, keepdims=True)
    unit_CD = vectors_CD / np.maximum(norm_C1, 1e-12)
    return unit_CD @ unit_CD.T


def contrasted(vectors_CD: np.ndarray, contrast: Contrast, sharpness: float) -> np.ndarray:
    """Affinities of labels from their vectors, at least 0.

    Cosines of any two label texts are alike (.54 to .91 in the authors' files), so that rows made
    of them (``none``) are almost uniform: label smoothing, without a structure. ``centre`` takes
    the common component off first. ``softmax`` is exp(cosine / ``sharpness``).
    """
    if contrast == "none":
        return np.clip(cosines(vectors_CD), 0.0, None)
    if contrast == "centre":
        return np.clip(cosines(vectors_CD - vectors_CD.mean(0)), 0.0, None)
    cosine_CC = cosines(vectors_CD)
    return np.exp((cosine_CC - cosine_CC.max()) / sharpness)


def adjacency(affinity_CC: np.ndarray, neighbours: int, share: float) -> np.ndarray:
    """A [C, C]: each label keeps its ``neighbours`` nearest others, which share ``share`` in
    proportion to their affinity, and 1 - ``share`` for itself (1 where it has no neighbour).
    """
    off_CC = np.array(affinity_CC, dtype=np.float64)
    np.fill_diagonal(off_CC, 0.0)
    kept_CC = np.zeros_like(off_CC, dtype=bool)
    nearest_CK = np.argsort(-off_CC, axis=1, kind="stable")[:, :neighbours]
    np.put_along_axis(kept_CC, nearest_CK, True, axis=1)
    off_CC = np.where(kept_CC, off_CC, 0.0)
    total_C1 = off_CC.sum(1, keepdims=True)
    off_CC = np.where(total_C1 > 0, share * off_CC / np.where(total_C1 > 0, total_C1, 1.0), 0.0)
    return off_CC + np.diag(1 - off_CC.sum(1))


def calibration(adjacency_CC: np.ndarray, temperature: float) -> np.ndarray:
    """R [C, C]: softmax of A / temperature over the edges of each row, 0 elsewhere."""
    edges_CC = adjacency_CC > 0
    weight_CC = np.where(edges_CC, np.exp(adjacency_CC / temperature), 0.0)
    return weight_CC / weight_CC.sum(1, keepdims=True)
