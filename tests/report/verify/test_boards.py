"""Boards checked side by side: each failure arrives, and a check that breaks off is no success."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from merbench.api.errors import RunError
from merbench.report.verify import boards
from merbench.report.verify.failure import Failure


def checks_of(*names):
    """Each fails with the number of its process."""
    return {Path(n): lambda n=n: [Failure(Path(n), str(os.getpid()))] for n in names}


def test_each_board_has_a_process_and_one_alone_has_none(monkeypatch):
    monkeypatch.setattr(boards, "cores", lambda: 2)
    failures = boards.side_by_side(checks_of("a", "b", "c"))
    assert {path.name: failure.file.name for path, (failure,) in failures.items()} == {
        name: name for name in "abc"
    }
    processes = {failure.sentence for (failure,) in failures.values()}
    assert len(processes) == 3 and str(os.getpid()) not in processes
    ((alone,),) = boards.side_by_side(checks_of("a")).values()
    assert alone.sentence == str(os.getpid())


def test_a_check_that_breaks_off_is_told_with_its_board(monkeypatch):
    monkeypatch.setattr(boards, "cores", lambda: 2)
    checks = {**checks_of("a"), Path("b"): lambda: os._exit(3)}
    with pytest.raises(RunError, match="b was not verified, because its process ended with exit"):
        boards.side_by_side(checks)
