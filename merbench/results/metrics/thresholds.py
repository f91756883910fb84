"""From which probability on a label of a multilabel task counts as predicted."""

from __future__ import annotations

import math

import numpy as np

from merbench.api.errors import RequestError
from merbench.api.material.types import LabelSpace
from merbench.results.metrics.checks import with_unknown
from merbench.results.metrics.multilabel import label_rows
from merbench.results.metrics.sums import f1_C

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
        return np.full(np.shape(p_NC)[1], _fixed(policy, text))
    if policy not in ("tuned_on_valid", "tuned_on_valid_per_label"):
        raise RequestError(
            f"thresholds {policy!r} is not known; use fixed:0.5, tuned_on_valid or "
            "tuned_on_valid_per_label"
        )
    y_NC = with_unknown(y_NC, p_NC, known_NC)
    sums = np.stack(
        [label_rows(y_NC, np.asarray(p_NC) >= threshold).sum(axis=0) for threshold in GRID]
    )
    if policy == "tuned_on_valid":
        sums = np.repeat(sums.sum(axis=-1, keepdims=True), np.shape(p_NC)[1], axis=-1)
    best_C: np.ndarray = GRID[np.nan_to_num(f1_C(sums)).argmax(axis=0)]
    return best_C


def canonical(policy: str) -> str:
    """The same for equal policies, however they are written; one that is none stays as it is."""
    name, _, text = policy.partition(":")
    try:
        return f"fixed:{float(text)!r}" if name == "fixed" else policy
    except ValueError:
        return policy


def _fixed(policy: str, text: str) -> float:
    try:
        threshold = float(text)
    except ValueError:
        threshold = math.nan
    if not 0 < threshold < 1:
        raise RequestError(
            f"thresholds {policy!r}: write a number between 0 and 1 after 'fixed:', such as "
            "fixed:0.5"
        )
    return threshold


def thresholds_of(
    space: LabelSpace, policy: str, y: np.ndarray, p: np.ndarray, known: np.ndarray | None = None
) -> np.ndarray | None:
    """``choose_thresholds`` for the labels of a space; None for one without labels to decide."""
    for part, *arrays in zip(space.tasks, *map(space.split_targets, (y, p, known)), strict=True):
        if part.kind == "multilabel":
            return choose_thresholds(policy, *arrays)
    return None
