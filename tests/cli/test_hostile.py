"""Requests that nobody means end in one sentence."""

from __future__ import annotations

from merbench.results.store import Store
from tests.report.made import put, spec


def test_more_threads_than_any_machine_has_are_refused(merbench):
    done = merbench("run", "--model", "majority", "--threads", "1000000000000")
    assert done.returncode == 2 and "--threads" in done.stderr and "Traceback" not in done.stderr


def test_a_comparison_of_floors_alone_says_that_there_is_nothing_to_compare(merbench, tmp_path):
    put(Store(tmp_path / "runs"), 0.5, spec("ridge"), range(2))
    done = merbench("compare", "--all", check=True)
    (sentence,) = done.stderr.splitlines()
    assert sentence.endswith("nothing to compare (no model beside its floors)")
    assert not done.stdout
