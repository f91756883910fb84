"""Titles that differ wherever tracks do."""

from __future__ import annotations

from itertools import permutations

import pytest

from merbench.results.records.record import INITIAL, Track
from merbench.results.records.titles import is_meant, titles

ONE = Track(
    dataset="mosi", revision="r" * 64, task="sentiment", protocol="standard", streams=["a.b"]
)


def other(**changed):
    return ONE.model_copy(update=changed)


def test_a_title_that_no_other_track_has_stays():
    folds = other(protocol="folds")
    assert titles([ONE, folds]) == [ONE.title, folds.title]


@pytest.mark.parametrize(
    ("a", "b", "words"),
    [
        ({}, {"pretrained": {"vectors:x": "1"}}, ("nothing pretrained", "x")),
        ({"pretrained": {"vectors:x": "1"}}, {"pretrained": {"vectors:x": "1", "vectors:y": "2"}}, ("x", "x + y")),
        ({"pretrained": {"vectors:x": "1" * 64}}, {"pretrained": {"vectors:x": "2" * 64}}, ("x 1111111", "x 2222222")),
        ({}, {"pretrained": {INITIAL: "0123456789abcdef"}}, ("starting from scratch", "starting from 0123456")),
        ({}, {"revision": "s" * 64}, ("revision rrrrrrr", "revision sssssss")),
        ({}, {"revision": "r" * 63 + "s"}, None),
    ],
)  # fmt: skip
def test_equal_titles_name_what_distinguishes_them(a, b, words):
    one, two = titles([other(**a), other(**b)])
    assert one != two and one.startswith(ONE.title)
    if words:
        assert (one, two) == tuple(f"{ONE.title} · {word}" for word in words)


def test_the_order_does_not_matter():
    tracks = [
        ONE,
        other(pretrained={"vectors:x": "1"}),
        other(pretrained={"vectors:x": "2"}),
        other(revision="s" * 64),
    ]
    by_order = [
        dict(zip(map(str, order), titles(order), strict=True)) for order in permutations(tracks)
    ]
    assert all(named == by_order[0] for named in by_order)
    assert len(set(by_order[0].values())) == len(tracks)


def test_a_whole_title_means_that_one_alone():
    every = ["mosi · x", "mosi · x + y"]
    assert [is_meant(title, "MOSI · x", every) for title in every] == [True, False]
    assert [is_meant(title, "x", every) for title in every] == [True, True]
