"""The mean of what runs predict, and what cannot be averaged."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import f1_score, mean_absolute_error

from merbench.analyses.ensemble import mean, seed_by_seed
from merbench.api import LabelSpace, RequestError
from merbench.report.scores.rows.pooled_seeds import Scored
from merbench.results.metrics import BUILT_IN
from merbench.results.records.predictions import Predictions

SCORE = LabelSpace("score", ("low", "high"), ("low", "high"), (-3.0, 3.0))
TARGET = np.linspace(-3, 3, 8)


def scored(prediction, order=None, target=TARGET, cuts=None, space=SCORE):
    order = np.arange(len(target)) if order is None else order
    ids = [f"row{i}" for i in order]
    return Scored(
        Predictions(ids, ids, target[order], prediction[order]),
        {},
        BUILT_IN.of(space),
        None if cuts is None else cuts[order],
    )


def drawn(seed):
    return np.random.default_rng(seed).normal(size=8)


@given(st.permutations(range(8)))
def test_the_mean_is_of_rows_of_one_id_in_whatever_order_they_stand(order):
    a, b = drawn(0), drawn(1)
    averaged = mean([scored(a), scored(b, np.array(order))])
    assert averaged.rows.ids == [f"row{i}" for i in range(8)] and np.allclose(
        averaged.rows.prediction, (a + b) / 2
    )
    assert averaged.metrics["mae"] == pytest.approx(mean_absolute_error(TARGET, (a + b) / 2))


def test_seeds_that_all_have_are_averaged_and_one_run_stands_for_every_seed():
    members = {
        "a": {0: scored(drawn(0)), 1: scored(drawn(1)), 2: scored(drawn(2))},
        "b": {1: scored(drawn(3)), 2: scored(drawn(4))},
    }
    members["closed form"] = {0: scored(drawn(5))}
    averaged = seed_by_seed(members)
    assert list(averaged) == [1, 2]
    for seed, other in ((1, 3), (2, 4)):
        assert np.allclose(
            averaged[seed].rows.prediction, (drawn(seed) + drawn(other) + drawn(5)) / 3
        )


def test_labels_are_decided_by_the_mean_threshold():
    space = LabelSpace("multilabel", ("joy", "fear"), ("joy", "fear"))
    draw = np.random.default_rng(0)
    target, p, q = (draw.random((8, 2)) for _ in range(3))
    target = (target > 0.5).astype(float)
    averaged = mean(
        [
            scored(p, target=target, cuts=np.full((8, 2), 0.2), space=space),
            scored(q, target=target, cuts=np.full((8, 2), 0.6), space=space),
        ],
    )
    assert averaged.metrics["micro_f1"] == pytest.approx(
        f1_score(target, (p + q) / 2 >= 0.4, average="micro")
    )


@pytest.mark.parametrize(
    ("other", "sentence"),
    [
        ({0: scored(drawn(1)[:7], target=TARGET[:7])}, "other test rows .1 of them, such as row7"),
        ({0: scored(drawn(1), target=TARGET + 1)}, "other targets"),
        ({0: scored(drawn(1)), 7: scored(drawn(1))}, "no seed in common"),
        ({}, "b lacks folds"),
    ],
)
def test_what_cannot_be_averaged(other, sentence):
    with pytest.raises(RequestError, match=sentence):
        seed_by_seed({"a": {3: scored(drawn(0)), 4: scored(drawn(0))}, "b": other})
