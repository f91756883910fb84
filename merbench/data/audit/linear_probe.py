"""A linear probe of a stream, with folds that share no video; and how well and how loudly it reads
each video.
"""

from __future__ import annotations

import numpy as np

FOLDS = 10
"""Of whole videos."""
WIDEST = 500
"""Dimensions that the probe sees at most."""
_PENALTIES = 10.0 ** np.arange(-1.0, 7.0)


def probe(x_ND: np.ndarray, t_NT: np.ndarray, video_N: np.ndarray, seed: int = 0) -> np.ndarray:
    """[N, T]: ridge predictions of each row from the other folds; no video is in two folds. GCV
    chooses the penalty (Golub et al. 1979).
    """
    x_ND = x_ND.astype(np.float64)
    videos = int(video_N.max()) + 1
    fold_N = (np.random.default_rng(seed).permutation(videos) % FOLDS)[video_N]
    p_NT = np.zeros(t_NT.shape)
    for k in range(FOLDS):
        test = fold_N == k
        if not test.any() or test.all():
            continue
        x, t = x_ND[~test], t_NT[~test]
        mean_D, mean_T = x.mean(axis=0), t.mean(axis=0)
        x, t = x - mean_D, t - mean_T
        value_D, vector_DD = np.linalg.eigh(x.T @ x)
        value_D = np.maximum(value_D, 0.0)
        b_DT = vector_DD.T @ (x.T @ t)
        shrunk_AD = 1 / (value_D + _PENALTIES[:, None])
        error_AT = (t**2).sum(axis=0) + np.einsum(
            "ad,dt->at", value_D * shrunk_AD**2 - 2 * shrunk_AD, b_DT**2
        )
        free_A = 1 - (1 + (value_D * shrunk_AD).sum(axis=1)) / len(x)
        score_AT = np.where(
            free_A[:, None] > 0, error_AT / np.maximum(free_A, 1e-9)[:, None] ** 2, np.inf
        )
        weight_DT = vector_DD @ (shrunk_AD[score_AT.argmin(axis=0)].T * b_DT)
        p_NT[test] = (x_ND[test] - mean_D) @ weight_DT + mean_T
    return p_NT


def voices(p_N: np.ndarray, t_N: np.ndarray, video_N: np.ndarray) -> np.ndarray:
    """[3, V]: how well the probe reads each video; how well and how loudly, each standardised over
    the videos, and added; and the same with the loudness of the video as a whole.

    The first two, which decide, are centred within each video: a probe that knows nothing predicts
    the mean of its other folds, and would agree with whole videos by what their own mean label is.
    All three may name the videos: the one that separates them best does.
    """
    p, t = centred(p_N, video_N), centred(t_N, video_N)
    pp, pt, tt = (np.bincount(video_N, product) for product in (p * p, p * t, t * t))
    tiny = 1e-9 * (pp.mean() + 1e-300)
    well = np.arctanh(0.999 * pt / np.sqrt((pp + tiny) * (tt + 1e-9 * tt.mean())))
    loud = 0.5 * np.log((pp + tiny) / np.bincount(video_N))
    spread = np.bincount(video_N, (p_N - p_N.mean()) ** 2) / np.bincount(video_N)
    overall = 0.5 * np.log(spread + 1e-9 * (spread.mean() + 1e-300))
    well, loud, overall = ((z - z.mean()) / (z.std() + 1e-12) for z in (well, loud, overall))
    return np.stack([well, well + loud, well + overall])


def centred(x_N: np.ndarray, video_N: np.ndarray) -> np.ndarray:
    """[N]: minus the mean of each row's video."""
    mean_V = np.bincount(video_N, x_N) / np.maximum(np.bincount(video_N), 1)
    centred_N: np.ndarray = x_N - mean_V[video_N]
    return centred_N


def narrowed(x_ND: np.ndarray) -> np.ndarray:
    """[N, at most WIDEST] float64, standardised and held to five deviations; a wider stream by a
    random projection, which keeps distances (Johnson and Lindenstrauss 1984)."""
    if x_ND.shape[1] > WIDEST:
        project = np.random.default_rng(0).normal(size=(x_ND.shape[1], WIDEST)) / np.sqrt(WIDEST)
        scale_D = x_ND.std(axis=0)
        x_ND = (
            (x_ND - x_ND.mean(axis=0))
            / np.where(scale_D > 0, scale_D, 1)
            @ project.astype(np.float32)
        )
    scale_D = x_ND.std(axis=0, dtype=np.float64)
    narrow: np.ndarray = np.clip(
        (x_ND - x_ND.mean(axis=0, dtype=np.float64)) / np.where(scale_D > 0, scale_D, 1), -5, 5
    )
    return narrow


def correlation(p: np.ndarray, t: np.ndarray) -> float:
    p, t = p - p.mean(), t - t.mean()
    return float(p @ t / max(np.sqrt((p @ p) * (t @ t)), 1e-12))
