"""Thresholds of labels against a search by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given

from merbench.api import RequestError
from merbench.results.metrics import choose_thresholds
from tests.results.metrics.cases import (
    cells,
    few,
    multilabel_metrics,
)


@few
@given(cells())
def test_tuned_thresholds_are_the_best_of_the_grid(rows):
    y, p = rows
    grid = [k / 100 for k in range(5, 100, 5)]

    def nearest_best(y, p):
        values = [2 * (y * (p >= t)).sum() / max(1, y.sum() + (p >= t).sum()) for t in grid]
        return min(
            (t for t, v in zip(grid, values, strict=True) if v == max(values)),
            key=lambda t: (round(abs(t - 0.5), 9), t),
        )

    assert choose_thresholds("tuned_on_valid", y, p).tolist() == [nearest_best(y, p)] * 3
    assert choose_thresholds("tuned_on_valid_per_label", y, p).tolist() == [
        nearest_best(y[:, c], p[:, c]) for c in range(3)
    ]


def test_a_fixed_threshold_is_reached_by_an_equal_probability():
    y, p = np.ones((1, 3)), np.full((1, 3), 0.35)
    cut = choose_thresholds("fixed:0.35", y, p)
    assert cut.tolist() == [0.35] * 3
    assert multilabel_metrics(y, p, "abc", cut)["micro_recall"] == 1.0


def test_thresholds_are_not_tuned_on_unknown_cells():
    y, p = np.array([[1.0], [0.0], [math.nan]]), np.array([[0.22], [0.12], [0.99]])
    assert choose_thresholds("tuned_on_valid", y, p, ~np.isnan(y)) == [0.2]


@pytest.mark.parametrize(
    "policy",
    [
        "",
        "fixed",
        "fixed:",
        "fixed:x",
        "fixed:nan",
        "fixed:0",
        "fixed:1.5",
        "tuned",
        "tuned_on_test",
        "tuned_on_valid:2",
    ],
)
def test_a_malformed_policy_is_refused(policy):
    with pytest.raises(RequestError, match="thresholds"):
        choose_thresholds(policy, np.ones((2, 3)), np.ones((2, 3)))
