"""Metrics of a score in [-1, 1] against MMSA's rules written out, and scikit-learn."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as sk

from merbench.testing.tiny import SPACES
from tests.results.metrics.cases import evaluate, few, floats, near

SPACE = replace(SPACES["score"], anchors=tuple(np.linspace(-1, 1, 7).tolist()))
targets = st.sampled_from([k / 5 for k in range(-5, 6)])
predictions = st.one_of(
    st.floats(-1.25, 1.25, width=32), st.sampled_from([0.1, -0.1, 0.7, -0.7, 0.0])
)
rows = st.lists(st.tuples(targets, predictions), min_size=1, max_size=30)


def number_of(x, *edges):
    """Of the interval (edge, next edge], in single precision."""
    return sum(np.float32(x) > np.float32(edge) for edge in edges)


@few
@given(rows)
def test_classes_are_intervals_closed_above(pairs):
    y, p = np.array(pairs).T
    found = floats(evaluate(SPACE, y, p))
    cuts = {"acc2_sims": (0,), "acc3_sims": (-0.1, 0.1), "acc5_sims": (-0.7, -0.1, 0.1, 0.7)}
    for name, edges in cuts.items():
        a, b = ([number_of(x, *edges) for x in side] for side in (y, p))
        assert found[name] == near(sk.accuracy_score(a, b) if len(set(a)) > 1 else math.nan), name
    a, b = y > 0, p > 0
    f1 = sk.f1_score(a, b, average="weighted") if len(set(a)) > 1 else math.nan
    assert found["f1_sims"] == near(f1)


@few
@given(rows)
def test_weak_rows_are_those_up_to_four_tenths(pairs):
    y, p = np.array(pairs).T
    weak = [(yy > 0, pp > 0) for yy, pp in pairs if abs(yy) < 0.5]
    right = np.mean([a == b for a, b in weak]) if len({a for a, _ in weak}) > 1 else math.nan
    for targets in (y, y.astype(np.float32)):
        assert floats(evaluate(SPACE, targets, p))["acc2_weak"] == near(right)


@few
@given(rows)
def test_r2_is_scikit_learns(pairs):
    y, p = np.array(pairs).T
    expected = sk.r2_score(y, p) if len(set(y)) > 1 else math.nan
    assert floats(evaluate(SPACE, y, p))["r2"] == pytest.approx(expected, rel=1e-9, nan_ok=True)
