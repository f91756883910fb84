"""Settings of parts: what of them is a run's identity."""

from __future__ import annotations

from typing import Annotated

import pytest

from merbench.api import LATER, Config, RequestError, TrainConfig, Tune, require_heads


class Inner(Config):
    width: int = 3
    bias: Annotated[bool, LATER] = True


class Outer(Config):
    inner: Inner = Inner()
    ranges: Annotated[dict[str, float], LATER] = {}
    rate: Annotated[float, LATER, Tune(0.0, 1.0)] = 0.5


def test_a_field_that_came_later_is_left_out_at_its_default():
    assert Outer().identity() == {"inner": {"width": 3}}
    changed = Outer(inner=Inner(bias=False), ranges={"a": 1.0}, rate=0.25)
    assert changed.identity() == changed.model_dump(mode="json")
    assert Outer.tunable() == {"rate": Tune(0.0, 1.0)}


def test_marks_within_a_union_count_and_those_of_a_lists_items_do_not():
    class Sizes(Config):
        most: Annotated[int, LATER, Tune(1, 9)] | None = None
        each: tuple[Annotated[int, LATER, Tune(1, 9)], ...] = (2,)

    assert Sizes.tunable() == {"most": Tune(1, 9)}
    assert Sizes().identity() == {"each": [2]} and Sizes(most=3).identity()["most"] == 3


@pytest.mark.parametrize(
    ("declared", "told"),
    [
        ({}, "either low and high, or choices"),
        ({"choices": ("a", ("b", "c"))}, r"has the choice \('b', 'c'\); .* a text for each"),
        ({"low": 8, "high": 4}, "low=8 above high=4"),
        ({"low": 0.0, "high": 1.0, "log": True}, "low=0; a log range begins above 0"),
    ],
)
def test_a_range_that_no_search_can_draw_from_is_refused_where_it_is_declared(declared, told):
    with pytest.raises(ValueError, match=told):
        Tune(**declared)
    assert Tune(choices=("a", 1, 0.5, True, None)) and Tune(1e-6, 1e-6, log=True)


def test_a_field_of_the_first_release_always_counts():
    assert Outer(inner=Inner(width=3)).identity()["inner"] == {"width": 3}
    assert {"epochs", "ema", "precision"} <= TrainConfig().identity().keys()
    assert "stack" not in TrainConfig().identity()


def test_a_set_counts_in_one_order_in_every_process():
    class Words(Config):
        words: frozenset[str | None]

    words = ["None-of-these", None, *(f"word{i}" for i in range(30))]
    assert Words(words=frozenset(words)).identity() == {"words": sorted(words, key=str)}


def test_so_does_a_set_within_a_list_or_a_mapping():
    class Deep(Config):
        groups: tuple[frozenset[str], ...]
        by_name: dict[str, list[frozenset[int]]]
        sets_of_sets: frozenset[frozenset[str]]
        inner: list[Inner]

    words = [f"word{i}" for i in range(30)]
    deep = Deep(
        groups=(frozenset(words), frozenset()),
        by_name={"b": [frozenset(range(1000, 0, -7))], "a": []},
        sets_of_sets=frozenset(frozenset(words[i:]) for i in range(3)),
        inner=[Inner()],
    )
    assert deep.identity() == {
        "groups": [sorted(words), []],
        "by_name": {"b": [sorted(range(1000, 0, -7), key=str)], "a": []},
        "sets_of_sets": sorted((sorted(words[i:]) for i in range(3)), key=str),
        "inner": [{"width": 3}],
    }


def test_heads_that_cannot_share_a_width_are_named():
    require_heads("fusion", 12, 4)
    with pytest.raises(RequestError, match=r"head\.reading=10 is no multiple of head\.heads=4"):
        require_heads("head", 10, 4, "reading")
