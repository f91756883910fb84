"""The time that a study still takes."""

from __future__ import annotations

import pytest

from merbench.study.time_left import TimeLeft, seconds_by_progress, share_left


def test_what_is_left_costs_what_its_own_cell_took_and_an_unknown_cell_the_average():
    time_left = TimeLeft()
    assert time_left.estimate({"a": 1}, 1) is None
    time_left.add("a", 2.0)
    time_left.add("a", 4.0)
    time_left.add("b", 9.0)
    assert time_left.estimate({"a": 10, "b": 0.5, "new": 2}, 4) == pytest.approx(
        (10 * 3 + 0.5 * 9 + 2 * 6) / 4
    )
    assert time_left.estimate({"a": 0.0}, 2) == 0.0


def test_before_any_run_is_done_the_epochs_of_running_ones_tell():
    about = {"epoch": 2, "of": 10, "seconds": 5.0}
    assert share_left(about) == 0.8 and share_left({"of": 10}) == 1.0 and share_left({}) == 0.5
    time_left = seconds_by_progress([("a", about), ("b", {"of": 10})])
    assert time_left.estimate({"a": 0.8, "b": 1.0}, 1) == pytest.approx(25 * 1.8)
