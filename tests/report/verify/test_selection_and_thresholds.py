"""What one run chose on validation rows, its epoch and its thresholds, is what its spec chooses."""

from __future__ import annotations

import pytest

from merbench.report.verify.selection import selection
from merbench.report.verify.thresholds import wrong_thresholds
from merbench.results.records.record import Metrics
from tests.report.made import record, spec


@pytest.mark.parametrize(
    ("policy", "cuts", "right"),
    [
        ("fixed:0.4", [0.4, 0.4], True), ("fixed:0.4", [0.4, 0.35], False), ("fixed:0.4", None, False), ("fixed:0.4", [0.4], False),
        ("tuned_on_valid", [0.35, 0.35], True), ("tuned_on_valid", [0.35, 0.4], False), ("tuned_on_valid", [0.3333, 0.3333], False),
        ("tuned_on_valid_per_label", [0.35, 0.4], True), ("tuned_on_valid_per_label", [0.351, 0.4], False), ("fixed:x", [0.5, 0.5], False),
    ],
)  # fmt: skip
def test_thresholds_are_those_of_the_policy(policy, cuts, right):
    space = {"kind": "multilabel", "words": ["happy", "sad"]}
    assert (
        wrong_thresholds(record(0, 0.5, spec(thresholds=policy), space=space, thresholds=cuts)[0])
        == ""
    ) is right


def test_selection_goes_by_the_last_stage_that_selects():
    entries = [
        {"stage": s, "epoch": e, "loss": {}, "mae": v}
        for s, e, v in (("a", 0, 0.1), ("b", 0, 1.0), ("b", 1, None), ("b", 2, 0.9), ("c", 0, 0.5))
    ]
    stages = [
        {"name": "a", "epochs": 1},
        {"name": "b"},
        {"name": "c", "epochs": 1, "selects": False},
    ]
    staged = record(0, 0.5, spec(stages=stages), history=entries, best_epoch=2)[0]
    assert selection(staged) == ""
    assert "best validation epoch is 2" in selection(staged.model_copy(update={"best_epoch": 0}))
    by_corr = spec(train=spec().train.model_copy(update={"select": "corr"}))
    entries = [
        {"stage": "main", "epoch": e, "loss": {}, "corr": v} for e, v in enumerate((None, 0.2, 0.2))
    ]
    chosen = record(
        0,
        0.5,
        by_corr,
        history=entries,
        best_epoch=1,
        metrics=Metrics(valid={"corr": 0.2}, test={}),
    )[0]
    assert selection(chosen) == ""
    assert selection(record(0, 0.5, spec(), history=[], best_epoch=None)[0]) == ""
