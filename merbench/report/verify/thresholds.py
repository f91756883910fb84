"""Thresholds are such as the spec's policy chooses."""

from __future__ import annotations

import numpy as np

from merbench.api.errors import RequestError
from merbench.results.metrics import GRID, choose_thresholds
from merbench.results.records.record import Record


def wrong_thresholds(record: Record) -> str:
    """Why the recorded thresholds cannot be what the policy chose; empty where they can."""
    parts = record.space.label_space().tasks
    multilabel = next((part for part in parts if part.kind == "multilabel"), None)
    policy, thresholds = record.spec.thresholds, record.thresholds
    try:
        allowed = choose_thresholds(policy, np.zeros((1, 1)), np.zeros((1, 1)))
    except RequestError as error:
        return str(error)
    if multilabel is None and thresholds is None:
        return ""
    if multilabel is None or thresholds is None:
        return f"its thresholds are {thresholds}, and its task is one of {record.space.kind}"
    # Validation predictions are not kept, so of tuned thresholds no more is known than the grid on
    # which they lie.
    allowed = allowed if policy.startswith("fixed:") else GRID
    possible = (
        len(thresholds) == len(multilabel.words)
        and set(thresholds) <= set(allowed.tolist())
        and (policy != "tuned_on_valid" or len(set(thresholds)) == 1)
    )
    return "" if possible else f"its thresholds {thresholds} are none that {policy} chooses"
