"""The best possible scores on a task whose law is known, and what any model could at most gain from
each modality and from knowing how labels occur together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from merbench.api.errors import RequestError
from merbench.api.material.corpus import Corpus, Law
from merbench.api.material.types import MODALITIES, LabelSpace, Modality
from merbench.results.metrics import BUILT_IN


@dataclass(frozen=True)
class Best:
    """``scored``: the best predictor's score on these rows. ``expected``: the mean of that score
    over targets drawn from the law (of a ratio such as F1: the ratio of means).
    """

    scored: float
    expected: float


def subsets(modalities: Iterable[Modality]) -> tuple[tuple[Modality, ...], ...]:
    """Every non-empty subset in the canonical order: text, audio, video, the pairs, all."""
    have = [m for m in MODALITIES if m in set(modalities)]
    return tuple(s for n in range(1, len(have) + 1) for s in combinations(have, n))


def best_scores(
    corpus: Corpus,
    task_name: str,
    rows: np.ndarray,
    modalities: Iterable[Modality],
    *,
    co_occurrence: bool = True,
    shown: np.ndarray | None = None,
) -> dict[str, Best]:
    """Metric -> the best score of a predictor that is given ``modalities`` of these rows (none: the
    best constant).

    Of labels only: without ``co_occurrence`` the predictor reads the evidence of each label by
    itself and does not know how labels occur together; ``shown`` bool [rows, C]: labels that it is
    told, those left are predicted and scored. Raises RequestError where the law is not known.
    """
    task = corpus.tasks[task_name]
    if task.law is None:
        raise RequestError(
            f"the law of task {task_name!r} of data set {corpus.name!r} is not known, "
            "and so no best possible score; "
            "take a task of a generated set"
        )
    observed = frozenset(modalities)
    target = task.target[rows]
    if task.space.kind == "score":
        return _best_of_score(task.law.outcomes, task.law.posterior(observed)[rows], target)
    truth_NK = _told(task.law.posterior(observed)[rows], task.law.outcomes, target, shown)
    belief_NK = truth_NK
    if not co_occurrence:
        belief_NK = _told(_independent(task.law, observed)[rows], task.law.outcomes, target, shown)
    return _best_of_labels(task.space, task.law.outcomes, truth_NK, belief_NK, target, shown)


# --- a score


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


def _best_of_score(levels_K: np.ndarray, p_NK: np.ndarray, y_N: np.ndarray) -> dict[str, Best]:
    """For acc2_non0 both numbers are over the rows with y != 0, the expected one given that."""
    best = {}
    for name, predicted_N in best_predictions(levels_K, p_NK).items():
        counts_K, keep_N = (
            (levels_K != 0, y_N != 0) if name == "acc2_non0" else (levels_K == levels_K, y_N == y_N)
        )
        if not keep_N.any():
            best[name] = Best(np.nan, np.nan)
            continue
        q_NK = np.where(counts_K, p_NK, 0.0)[keep_N]
        value = _PER_ROW[name]
        by_row_N = (q_NK * value(levels_K, predicted_N[keep_N, None])).sum(axis=1)
        expected_N = by_row_N / q_NK.sum(axis=1)
        scored_N = value(y_N, predicted_N)[keep_N]
        best[name] = Best(float(scored_N.mean()), float(expected_N.mean()))
    return best


# --- labels


def _independent(law: Law, modalities: frozenset[Modality]) -> np.ndarray:
    """[N, K]: probability of each set of labels for one who takes labels to be independent."""
    assert law.label_by_label is not None
    p_NC = law.label_by_label(modalities)
    p_NK: np.ndarray = np.where(law.outcomes, p_NC[:, None], 1 - p_NC[:, None]).prod(axis=2)
    return p_NK


def _told(
    p_NK: np.ndarray, sets_KC: np.ndarray, target_NC: np.ndarray, shown_NC: np.ndarray | None
) -> np.ndarray:
    """The law [N, K] given the labels that are shown."""
    if shown_NC is None:
        return p_NK
    agrees_NKC = (sets_KC == target_NC[:, None]) | ~shown_NC[:, None]
    q_NK = np.where(agrees_NKC.all(axis=2), p_NK, 0.0)
    q_NK /= q_NK.sum(axis=1, keepdims=True)
    return q_NK


def _best_of_labels(
    space: LabelSpace,
    sets_KC: np.ndarray,
    truth_NK: np.ndarray,
    belief_NK: np.ndarray,
    target_NC: np.ndarray,
    shown_NC: np.ndarray | None,
) -> dict[str, Best]:
    """Decisions are the best for ``belief``, expectations are over ``truth``. F1: labels whose
    probability is above a threshold, the one with the best expected F1 [Lewis 1995]; mAP: ranked by
    probability; the share of right sets: the likeliest set.
    """
    scored_NC = np.ones(target_NC.shape, dtype=bool) if shown_NC is None else ~shown_NC
    true_NC = truth_NK @ sets_KC
    # Processors differ in the last bit, which would rank rows that are believed equally.
    believed_NC = np.round(belief_NK @ sets_KC, 9)

    def best(name: str, decided_NC: np.ndarray, expected: float) -> Best:
        value = BUILT_IN.of(space).evaluate(
            target_NC, decided_NC.astype(float), None, scored_NC, [name]
        )[name]
        return Best(np.nan if value is None else value, expected)

    shared_threshold = _threshold(believed_NC[scored_NC])
    per_label = np.array(
        [_threshold(p[s]) for p, s in zip(believed_NC.T, scored_NC.T, strict=True)]
    )
    scores = {}
    for name, threshold in (("micro_f1", shared_threshold), ("macro_f1", per_label)):
        decided_NC = (believed_NC >= threshold) & scored_NC
        hits_C = 2 * (true_NC * decided_NC).sum(axis=0)
        all_C = decided_NC.sum(axis=0) + (true_NC * scored_NC).sum(axis=0)
        some_C = all_C > 0
        micro, macro = hits_C.sum() / all_C.sum(), (hits_C[some_C] / all_C[some_C]).mean()
        scores[name] = best(name, decided_NC, float(micro if name == "micro_f1" else macro))
    ranks = zip(true_NC.T, believed_NC.T, scored_NC.T, strict=True)
    precisions = [_expected_precision(t[s], b[s]) for t, b, s in ranks if s.any()]
    scores["map"] = best("map", believed_NC, float(np.mean(precisions)))
    if shown_NC is None:
        likeliest_N = belief_NK.argmax(axis=1)
        expected = float(truth_NK[np.arange(len(truth_NK)), likeliest_N].mean())
        scores["subset_accuracy"] = best("subset_accuracy", sets_KC[likeliest_N], expected)
    return scores


def _threshold(p: np.ndarray) -> float:
    """Of probabilities that are right: that from which on a label is to be predicted for the best
    ratio of the means of F1.
    """
    if not len(p):
        return np.inf
    ordered = np.sort(p)[::-1]
    f1 = 2 * np.cumsum(ordered) / (np.arange(1, len(ordered) + 1) + ordered.sum())
    return float(ordered[f1.argmax()])


def _expected_precision(p_N: np.ndarray, ranked_by_N: np.ndarray) -> float:
    """Average precision of this ranking: its mean over independent targets with probabilities p,
    times the number of positives, over the mean of that number.
    """
    p = p_N[np.argsort(-ranked_by_N, kind="stable")]
    below = np.cumsum(p) - p
    return float((p * (1 + below) / np.arange(1, len(p) + 1)).sum() / p.sum())
