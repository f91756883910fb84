"""Pictures of a search: the closed form against counting every draw, and the same bytes each time."""

from __future__ import annotations

from fractions import Fraction
from itertools import combinations
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from merbench.report.pictures.search import Tried, best_of_n, budget, curves, history, importance

TRIALS = [
    Tried("complete", 1.2, [(0, 1.5), (1, 1.3), (2, 1.2)]),
    Tried("pruned", 1.4, [(0, 1.4)]),
    Tried("failed", None),
    Tried("complete", 1.1, [(0, 1.3), (1, 1.1)]),
]


@given(st.lists(st.integers(-50, 50), min_size=1, max_size=8), st.booleans())
def test_best_of_n_is_the_mean_over_all_draws_without_replacement(values, higher):
    best = max if higher else min
    for n, expected in enumerate(best_of_n([float(v) for v in values], higher), 1):
        draws = list(combinations(values, n))
        assert expected == pytest.approx(
            float(Fraction(sum(best(draw) for draw in draws), len(draws)))
        )


def test_best_of_n_begins_with_the_mean_and_ends_with_the_best():
    curve = best_of_n([3.0, 1.0, 2.0, 6.0], higher_is_better=False)
    assert curve[0] == pytest.approx(3.0) and curve[-1] == 1.0
    assert sorted(curve, reverse=True) == curve


@pytest.mark.parametrize(
    ("draw", "words"),
    [
        (
            lambda: history(TRIALS, "mae", False),
            ["best so far", "complete", "pruned", "failed", "valid mae"],
        ),
        (lambda: budget(TRIALS, "mae", False), ["expected best valid mae", "trials"]),
        (lambda: curves(TRIALS, "mae", False), ["epoch", "valid mae"]),
        (
            lambda: importance({"train.lr": 0.7, "fusion.width": 0.3}, "fANOVA"),
            ["train.lr", "fusion.width", "importance (fANOVA)"],
        ),
    ],
)
def test_a_picture_is_svg_with_its_words_and_the_same_each_time(draw, words):
    picture = draw()
    assert picture == draw()
    text = " ".join(ElementTree.fromstring(picture).itertext())
    assert not [word for word in words if word not in text]


def test_pictures_of_a_search_where_all_failed():
    failed = [Tried("failed", None)] * 3
    assert history(failed, "mae", False) and curves(failed, "mae", False)
