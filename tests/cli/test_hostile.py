"""Requests that nobody means end in one sentence."""

from __future__ import annotations

from merbench.cli.look.compare import _blocks


def test_more_threads_than_any_machine_has_are_refused(merbench):
    done = merbench("run", "--model", "majority", "--threads", "1000000000000")
    assert done.returncode == 2 and "--threads" in done.stderr and "Traceback" not in done.stderr


def test_a_comparison_of_floors_alone_has_no_columns_beside_each_other():
    assert [list(block) for block in _blocks([])] == [[]]
    assert [list(block) for block in _blocks(["a", "b"])] == [[1]]
