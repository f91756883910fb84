"""Metrics of a score against scikit-learn, scipy or the formula, on random and awkward inputs."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import assume, given
from scipy.stats import pearsonr
from sklearn import metrics as sk

from tests.results.metrics.cases import (
    few,
    near,
    pairs,
    score_metrics,
)


@few
@given(pairs)
def test_score_metrics_agree_with_scikit_learn(rows):
    y, p = np.array(rows).T
    found = score_metrics(y, p)
    assert found["mae"] == near(sk.mean_absolute_error(y, p))
    for steps, end in ((3, 1), (5, 2), (7, 3)):
        classes = [
            [round(max(-end, min(end, x))) for x in side] for side in (y, p)
        ]  # Python rounds half to even too
        assert found[f"acc{steps}"] == near(
            sk.accuracy_score(*classes) if len(set(classes[0])) > 1 else math.nan
        )
    kept = y != 0
    for name, a, b in (("has0", y >= 0, p >= 0), ("non0", y[kept] > 0, p[kept] > 0)):
        both = len(set(a)) > 1
        assert found[f"acc2_{name}"] == near(sk.accuracy_score(a, b) if both else math.nan)
        assert found[f"f1_{name}"] == near(
            sk.f1_score(a, b, average="weighted") if both else math.nan
        )


@few
@given(pairs)
def test_corr_is_pearsons_r(rows):
    y, p = np.array(rows).T
    assume(len(rows) > 1 and y.std() > 1e-3 and p.std() > 1e-3)
    assert score_metrics(y, p)["corr"] == near(pearsonr(y, p).statistic)


@pytest.mark.parametrize("constant", [0.0, 0.3, 1e3])
def test_a_constant_has_no_correlation(constant):
    y = np.linspace(-3, 3, 50)
    rounding = np.float32(constant) + np.random.default_rng(0).normal(size=50) * 1e-8
    for p in (np.full(50, constant), rounding):
        assert math.isnan(score_metrics(y, p)["corr"])
        assert math.isnan(score_metrics(p, y)["corr"])
    assert math.isnan(score_metrics(y[:1], y[:1])["corr"])


def test_zero_counts_as_positive_with_has0_whatever_its_sign():
    found = score_metrics(np.array([-0.0, 0.0, -1.0, 1.0]), np.array([0.0, -0.0, -0.0, 1.0]))
    assert found["acc2_has0"] == near(3 / 4)
    assert found["acc2_non0"] == 1.0  # p = -0.0 is not > 0


def test_on_a_scale_that_does_not_cross_0_no_model_is_right_about_the_sign():
    y = np.array([1.0, 2.0, 3.0, 4.0, 5.0])
    found = score_metrics(y, np.full(5, 3.0))
    assert found["mae"] == near(1.2) and found["acc5"] == near(0.8)
    assert all(
        math.isnan(found[name]) for name in ("acc2_has0", "acc2_non0", "f1_has0", "f1_non0", "acc3")
    )


def test_halves_are_rounded_to_even():
    y, p = np.array([0.5, 1.5, 2.5]), np.array([0.0, 2.0, 2.0])
    assert score_metrics(y, p)["acc7"] == 1.0
