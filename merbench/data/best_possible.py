"""The best possible scores on a data set whose law is known, and what any model could at most gain
from each modality.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from merbench.api.corpus import Corpus
from merbench.api.errors import RequestError
from merbench.api.types import MODALITIES, Modality


@dataclass(frozen=True)
class Limit:
    """``scored``: the best predictor's score on these rows. ``expected``: the mean of that score
    over targets drawn from the posterior.
    """

    scored: float
    expected: float


def subsets(modalities: Iterable[Modality]) -> tuple[tuple[Modality, ...], ...]:
    """Every non-empty subset in the canonical order: text, audio, video, the pairs, all."""
    have = [m for m in MODALITIES if m in set(modalities)]
    return tuple(s for n in range(1, len(have) + 1) for s in combinations(have, n))


def _seven(y: np.ndarray) -> np.ndarray:
    rounded: np.ndarray = np.round(np.clip(y, -3, 3))
    return rounded


# What one row adds to each score, of its target and its prediction.
_PER_ROW: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "mae": lambda y, p: np.abs(y - p),
    "acc2_has0": lambda y, p: (y >= 0) == (p >= 0),
    "acc2_non0": lambda y, p: (y > 0) == (p > 0),
    "acc7": lambda y, p: _seven(y) == _seven(p),
}


def best_predictions(levels_K: np.ndarray, p_NK: np.ndarray) -> dict[str, np.ndarray]:
    """Metric -> [N], the prediction with the best expected score where row i's target is
    ``levels[k]`` with probability ``p[i, k]``.

    ``levels`` ascend. mae: the median. acc2_has0: 1 or -1, as y >= 0 or y < 0 is likelier.
    acc2_non0: 1 or -1, as y > 0 or y < 0 is likelier, since rows with y == 0 are not scored. acc7:
    the likeliest class.
    """
    below_N, above_N = p_NK[:, levels_K < 0].sum(axis=1), p_NK[:, levels_K > 0].sum(axis=1)
    classes_C = np.unique(_seven(levels_K))
    class_NC = np.stack([p_NK[:, _seven(levels_K) == c].sum(axis=1) for c in classes_C], axis=1)
    return {
        "mae": levels_K[(np.cumsum(p_NK, axis=1) >= 0.5 - 1e-12).argmax(axis=1)],
        "acc2_has0": np.where(below_N > 0.5, -1.0, 1.0),
        "acc2_non0": np.where(below_N > above_N, -1.0, 1.0),
        "acc7": classes_C[class_NC.argmax(axis=1)],
    }


def limits(
    corpus: Corpus, task_name: str, rows: np.ndarray, modalities: Iterable[Modality]
) -> dict[str, Limit]:
    """Metric -> the limit of a predictor that is given ``modalities`` of these rows (none: the best
    constant).

    For acc2_non0 both numbers are over the rows with y != 0, the expected one given that. Raises
    RequestError where the law is not known.
    """
    task = corpus.tasks[task_name]
    if corpus.posterior is None or task.space.kind != "score":
        raise RequestError(
            f"task {task_name!r} of data set {corpus.name!r} has no known limits; take the score of a generated set"
        )
    levels_K, p_NK = corpus.posterior(frozenset(modalities))
    y_N, p_NK = task.target[rows], p_NK[rows]
    out = {}
    for name, best_N in best_predictions(levels_K, p_NK).items():
        counts_K, keep_N = (
            (levels_K != 0, y_N != 0) if name == "acc2_non0" else (levels_K == levels_K, y_N == y_N)
        )
        if not keep_N.any():
            out[name] = Limit(np.nan, np.nan)
            continue
        q_NK = np.where(counts_K, p_NK, 0.0)[keep_N]
        value = _PER_ROW[name]
        expected_N = (q_NK * value(levels_K, best_N[keep_N, None])).sum(axis=1) / q_NK.sum(axis=1)
        out[name] = Limit(float(value(y_N, best_N)[keep_N].mean()), float(expected_N.mean()))
    return out
