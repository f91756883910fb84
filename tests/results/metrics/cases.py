"""Metrics of one kind as floats (nan where undefined), and awkward inputs, for the tests here."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st

from merbench.api import LabelSpace
from merbench.results.metrics import BUILT_IN
from merbench.testing.tiny import SPACES

few = settings(max_examples=60)

scores = st.one_of(
    st.floats(-4, 4, allow_subnormal=False),
    st.sampled_from([0.0, -0.0, 0.5, -0.5, 1.5, 2.5, -2.5, 3.0, -3.0, 3.5]),
)
pairs = st.lists(st.tuples(scores, scores), min_size=1, max_size=30)
half = np.full(3, 0.5)


def near(value):
    return pytest.approx(value, abs=1e-9, nan_ok=True)


def evaluate(space, *case, **more):
    return BUILT_IN.of(space).evaluate(*case, **more)


def floats(values):
    return {name: math.nan if value is None else value for name, value in values.items()}


def score_metrics(y, p):
    return floats(evaluate(SPACES["score"], y, p))


def class_metrics(y, p, words):
    return floats(evaluate(LabelSpace("class", tuple(words), tuple(words)), y, p))


def multilabel_metrics(y, p, words, thresholds, known=None):
    space = LabelSpace("multilabel", tuple(words), tuple(words))
    return floats(evaluate(space, y, p, thresholds, known))


@st.composite
def cells(draw, n_labels=3):
    """Targets (some empty rows and labels without positives) and probabilities (with ties and exact
    .5).
    """
    n = draw(st.integers(1, 12))
    column = (
        st.lists(st.booleans(), min_size=n, max_size=n) | st.just([False] * n) | st.just([True] * n)
    )
    p = st.lists(
        st.sampled_from([0.0, 0.2, 0.5, 0.7, 1.0]) | st.floats(0, 1), min_size=n, max_size=n
    )
    y = np.array([draw(column) for _ in range(n_labels)]).T
    return y.astype(float), np.array([draw(p) for _ in range(n_labels)]).T
