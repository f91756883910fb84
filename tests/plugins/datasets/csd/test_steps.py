"""Steps that belong to an utterance, and what is left out, against a loop over all of them."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from merbench_datasets.csd.rows import Rows
from merbench_datasets.csd.sequence import CsdSequence
from merbench_datasets.csd.steps import finite_mean, sentences_on_left_out_steps, steps_within

SECOND = st.sampled_from((0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, math.nan, math.inf))
INTERVALS = st.lists(st.tuples(SECOND, SECOND), min_size=1, max_size=10)


class Sequence:
    """One entry of a sequence: a whole video's, or, where it is ``own``, that of the row."""

    segments: dict[str, dict[int, str]] = {}

    def __init__(self, times, own=False):
        self.times, self.own, self.steps = np.array(times, dtype=float), own, {"v": len(times)}

    def entry(self, video, number, interval):
        return ("v", self.own) if video == "v" else ("", True)

    def read(self, entry):
        return np.arange(len(self.times), dtype=float)[:, None], self.times

    def intervals(self, entry):
        return self.times


def rows():
    made = Rows()
    made.add("v", "1", 1.0, 2.0, {})
    made.add("v", "2", 3.0, 9.0, {})
    made.add("w", "1", 0.0, 9.0, {})
    return made


def is_sound(start, end):
    return math.isfinite(start) and math.isfinite(end) and start <= end


@given(INTERVALS, st.booleans())
def test_steps_are_those_whose_middle_lies_within_in_the_order_of_their_starts(times, own):
    wanted = [
        k
        for k, (start, end) in enumerate(times)
        if is_sound(start, end) and (own or 1.0 <= (start + end) / 2 < 2.0)
    ]
    wanted.sort(key=lambda k: times[k][0])
    values, intervals = steps_within(Sequence(times, own), rows(), "v_1")
    assert values[:, 0].tolist() == wanted
    assert intervals.tolist() == [list(times[k]) for k in wanted]
    assert len(steps_within(Sequence(times, own), rows(), "w_1")[1]) == 0


@given(INTERVALS)
def test_steps_that_go_nowhere_are_counted(times):
    broken = sum(not is_sound(*ends) for ends in times)
    inside = sum(
        is_sound(*ends) and (1 <= sum(ends) / 2 < 2 or 3 <= sum(ends) / 2 < 9) for ends in times
    )
    found = " | ".join(sentences_on_left_out_steps(Sequence(times), rows()))
    outside = len(times) - broken - inside
    assert (f"{outside} of {len(times)} steps are in no utterance" in found) == bool(outside)
    assert (f"{broken} steps have an interval that is none" in found) == bool(broken)


def test_a_mean_leaves_out_what_is_not_finite():
    nan, inf = np.nan, np.inf
    values = np.array([[1.0, nan, inf], [3.0, nan, 5.0], [nan, -inf, 7.0]])
    np.testing.assert_array_equal(finite_mean(values), [2.0, nan, 6.0])


@pytest.mark.parametrize(
    ("interval", "entry"), [((0, 4), "v[0]"), ((4, 8), "v[1]"), ((1, 4), "v[0]"), ((2, 6), "")]
)
def test_a_segment_is_of_an_interval_of_which_it_has_more_than_half(interval, entry):
    times = {"v[0]": (0, 4), "v[1]": (5, 8)}
    sequence = object.__new__(CsdSequence)
    sequence.steps, sequence.segments = dict.fromkeys(times, 1), {"v": dict(enumerate(times))}
    sequence.intervals = lambda name: np.array([times[name], (np.nan, np.nan)], dtype=float)
    assert sequence.entry("v", None, interval) == (entry, True)
    assert sequence.entry("v", 1, interval) == ("v[1]", True)
    assert sequence.entry("w", None, interval) == ("", True)
