"""Pictures of score against cost: the Pareto front, and names that can be read."""

from __future__ import annotations

import re
from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from merbench.report.pictures.against_cost import against, apart, front
from merbench.report.pictures.plots import Line

MODELS = st.lists(
    st.tuples(st.integers(1, 9), st.integers(0, 9)), min_size=1, max_size=20
)  # ties of both


@given(MODELS, st.booleans())
def test_the_front_is_those_that_no_other_dominates(pairs, higher_is_better):
    models = {f"m{i}": (float(cost), Line([float(score)])) for i, (cost, score) in enumerate(pairs)}
    sign = -1 if higher_is_better else 1
    points = [(cost, sign * score) for cost, score in pairs]
    undominated = {
        (cost, score)
        for cost, score in points
        if not any(c <= cost and s <= score and (c, s) != (cost, score) for c, s in points)
    }
    stairs = [(models[n][0], sign * models[n][1].mean) for n in front(models, higher_is_better)]
    assert len(stairs) == len(undominated) and set(stairs) == undominated
    assert stairs == sorted(stairs)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=20).map(sorted))
def test_names_stand_apart_inside_the_picture(places):
    heights = apart(places, 0.05)
    assert min(heights) >= 0 and max(heights) <= 1 + 1e-9
    assert all(b - a >= 0.05 - 1e-9 for a, b in pairwise(heights))
    assert apart([0.1, 0.5, 1.0], 0.05) == pytest.approx([0.1, 0.5, 1.0])
    assert apart([0.5, 0.5, 0.9], 0.1) == pytest.approx([0.45, 0.55, 0.9]), (
        "around the place that they share"
    )


def test_names_of_models_in_one_place_can_be_read_and_so_can_the_axis():
    names, line = ("one", "two", "three"), Line([1.0, 1.2], (0.9, 1.3))
    points = dict.fromkeys(names, (230e3, line))
    text = against("t", "parameters", "MAE", points, ["one"], names).decode()
    heights = [
        float(y) for name in names for y in re.findall(rf'y="(-?[\d.]+)"[^>]*>{name}<', text)
    ]
    assert len(heights) == 3 and min(abs(a - b) for a in heights for b in heights if a != b) >= 8
    assert ">200k<" in text and ">300k<" in text


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("cost", [5.0, 160_999.0, 161_025.0])
def test_one_model_alone_stands_on_an_axis_that_has_a_width(cost):
    points = {"m": (cost, Line([1.0]))}
    assert ">m<" in against("t", "parameters", "MAE", points, ["m"], ["m"]).decode()


def test_only_those_that_are_named_have_names_and_all_have_dots():
    points = {f"m{i}": (1e3 * (i + 1), Line([1.0 + i])) for i in range(23)}
    text = against("t", "parameters", "MAE", points, ["m0"], ["m0", "m3"]).decode()
    assert set(re.findall(r">(m\d+)<", text)) == {"m0", "m3"}
    drawn = Counter(re.findall(r'<use xlink:href="(#\w+)"', text))
    assert 23 in drawn.values()


def test_the_stairs_go_right_to_the_cost_of_the_better_model_then_down_and_on_to_the_end():
    points = {"a": (10.0, Line([3.0])), "b": (40.0, Line([1.0]))}
    text = against("t", "parameters", "MAE", points, ["a", "b"], ["a", "b"]).decode()
    assert re.search(r' d="M[\d. ]+h[\d.]+v[\d.]+h[\d.]+', text), "y grows downwards"
