"""p-values of paired differences: sign flips over seeds, Holm's correction over pairs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache

import numpy as np

ALPHA = 0.05


def sign_flip(differences: Sequence[float], draws: int = 2**16) -> float:
    """Two-sided p of paired differences [S] under sign flips of the mean: exact up to 16, else by
    ``draws`` random flips.

    The smallest p is 2 / 2^S: .0625 with five seeds. nan differences are left out; nan where none
    is left.
    """
    d = np.asarray(differences, dtype=float)
    d = d[~np.isnan(d)]
    if not len(d):
        return math.nan
    return float(sign_flips(d[None], draws)[0])


def sign_flips(difference_PS: np.ndarray, draws: int = 2**16) -> np.ndarray:
    """``sign_flip`` [P] of many pairs of models with the same seeds, none of them nan."""
    signs = _signs(difference_PS.shape[1], draws)
    least_P = np.abs(difference_PS.sum(axis=1)) - 1e-12 * np.abs(difference_PS).sum(axis=1)
    reached_P = np.empty(len(difference_PS))
    # Blocks that stay in a core's cache: a third of the time of large ones.
    step = max(1, 2**16 // len(signs))
    for start in range(0, len(difference_PS), step):
        part = slice(start, start + step)
        flipped = difference_PS[part] @ signs.T
        np.abs(flipped, out=flipped)
        reached_P[part] = np.count_nonzero(flipped >= least_P[part, None], axis=1)
    return reached_P / len(signs)


@cache
def _signs(seeds: int, draws: int) -> np.ndarray:
    """Every way to flip them; by symmetry the last sign can stay. Of many seeds random ones."""
    if seeds <= 16:
        # The bits of 0, 1, 2, ...
        flips = np.arange(2 ** (seeds - 1))[:, None] >> np.arange(seeds) & 1
        return (1 - 2 * flips).astype(float)
    signs = np.random.default_rng(0).choice((1, -1), size=(draws, seeds))
    signs[0] = 1
    return signs.astype(float)


def holm(p_values: Sequence[float] | np.ndarray) -> np.ndarray:
    """Holm's (1979) adjusted p-values, in the order given. A nan stays nan and is no test."""
    p = np.asarray(p_values, dtype=float)
    order = np.argsort(p)[: int((~np.isnan(p)).sum())]
    ascending = p[order]
    ascending *= np.arange(len(order), 0, -1)
    np.maximum.accumulate(ascending, out=ascending)
    adjusted = np.full(len(p), np.nan)
    adjusted[order] = np.minimum(1, ascending, out=ascending)
    return adjusted


def adjusted(tests: Sequence[tuple[float, float]]) -> np.ndarray:
    """``joint`` of pairs (sign-flip p, p of the interval)."""
    return joint(*np.array(tests, dtype=float).reshape(-1, 2).T)


def joint(flip_P: np.ndarray, interval_P: np.ndarray) -> np.ndarray:
    """One p a pair of its sign-flip p and the p of its interval, corrected over all pairs. nan
    where either is.

    The larger of the sign-flip p and Holm's adjusted p of the interval. The interval is valid for
    new seeds and new videos, so that its correction controls the family-wise error; the sign-flip
    is asked for besides. It is not itself corrected: ten seeds give no p below .002, which over the
    91 pairs of 14 rows could never pass.
    """
    tested_P = np.where(np.isnan(flip_P), np.nan, interval_P)
    larger: np.ndarray = np.maximum(flip_P, holm(tested_P))
    return larger
