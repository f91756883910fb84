"""Processes of this machine: all calls are made, and one that dies takes no other with it."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import numpy as np
import pytest

from merbench.api import pool


def ended(work, tasks, jobs):
    return dict(e for e in pool(work, tasks, jobs) if e is not None)


def test_every_task_is_called_once_and_so_many_at_a_time(tmp_path: Path):
    def work(task: int) -> None:
        (tmp_path / f"{task}.on").touch()
        for _ in range(500):  # until another has begun: on a busy machine that takes its time
            if len(list(tmp_path.glob("*.on"))) + len(list(tmp_path.glob("*.off"))) > 1:
                break
            time.sleep(0.02)
        (tmp_path / f"{task}.most").write_text(str(len(list(tmp_path.glob("*.on")))))
        (tmp_path / f"{task}.on").rename(tmp_path / f"{task}.off")

    assert ended(work, range(8), 3) == dict.fromkeys(range(8))
    assert len(list(tmp_path.glob("*.off"))) == 8
    assert 1 < max(int(p.read_text()) for p in tmp_path.glob("*.most")) <= 3


def test_memory_is_shared_and_not_pickled(tmp_path: Path):
    data = np.arange(5)
    unpicklable = lambda: data.sum()  # noqa: E731
    assert ended(lambda task: (tmp_path / "sum").write_text(str(unpicklable())), ["a"], 1) == {"a": None}
    assert (tmp_path / "sum").read_text() == "10"


def test_one_that_dies_is_told_and_the_rest_go_on(capfd: pytest.CaptureFixture[str]):
    def work(task: str) -> None:
        if task == "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        if task == "raises":
            raise ValueError("no")

    found = ended(work, ["killed", "fine", "raises"], 2)
    assert found["fine"] is None and "SIGKILL" in found["killed"] and found["raises"] == "its process ended with exit code 1"
    assert "ValueError: no" in capfd.readouterr().err


def test_a_caller_that_stops_leaves_no_process_behind(tmp_path: Path):
    def work(task: int) -> None:
        (tmp_path / str(os.getpid())).touch()
        time.sleep(60)

    running = pool(work, [1, 2], 2)
    while len(pids := [int(p.name) for p in tmp_path.iterdir()]) < 2:
        assert next(running) is None
    running.close()
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
