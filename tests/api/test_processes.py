"""Processes of this machine: all calls are made, and one that dies takes no other with it."""

from __future__ import annotations

import errno
import os
import signal
import struct
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from merbench.api import RunError, pool
from merbench.api.processes import cores, each_apart


def ended(work, tasks, jobs):
    return dict(e for e in pool(work, tasks, jobs) if e is not None)


def test_every_task_is_called_once_and_so_many_at_a_time(tmp_path: Path):
    def work(task: int) -> None:
        (tmp_path / f"{task}.on").touch()
        for _ in range(15_000):  # until another has begun: on a busy machine that takes its time
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
    assert ended(lambda task: (tmp_path / "sum").write_text(str(unpicklable())), ["a"], 1) == {
        "a": None
    }
    assert (tmp_path / "sum").read_text() == "10"


def test_one_that_dies_is_told_and_the_rest_go_on(capfd: pytest.CaptureFixture[str]):
    def work(task: str) -> None:
        if task == "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        if task == "raises":
            raise ValueError("no")

    found = ended(work, ["killed", "fine", "raises"], 2)
    assert (
        found["fine"] is None
        and "SIGKILL" in found["killed"]
        and found["raises"] == "its process ended with exit code 1"
    )
    assert "ValueError: no" in capfd.readouterr().err


def test_what_the_system_refuses_there_is_one_sentence(capfd: pytest.CaptureFixture[str]):
    def work(task: str) -> None:
        raise OSError(errno.EROFS, "Read-only file system", "claims/a.0")

    assert ended(work, ["a"], 1) == {"a": "its process ended with exit code 1"}
    assert capfd.readouterr().err == (
        "error: claims/a.0: Read-only file system; make it writable, or choose another folder\n"
    )


def test_a_caller_that_stops_leaves_no_process_behind(tmp_path: Path):
    def work(task: int) -> None:
        (tmp_path / str(os.getpid())).touch()
        time.sleep(600)

    running = pool(work, [1, 2], 2)
    while len(pids := [int(p.name) for p in tmp_path.iterdir()]) < 2:
        assert next(running) is None
    running.close()
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_a_caller_that_is_killed_leaves_no_process_behind(tmp_path: Path):
    program = f"""if True:
        import os, pathlib, time
        from merbench.api import pool
        def work(task):
            pathlib.Path({str(tmp_path)!r}, str(task)).write_text(str(os.getpid()))
            time.sleep(600)
        list(pool(work, [0, 1], 2))
    """
    with subprocess.Popen([sys.executable, "-c", program]) as caller:
        deadline = time.monotonic() + 300
        while (
            len([p for p in tmp_path.iterdir() if p.read_text()]) < 2
            and time.monotonic() < deadline
        ):
            time.sleep(0.02)
        caller.kill()
    left = [int(p.read_text()) for p in tmp_path.iterdir()]
    assert len(left) == 2
    while any(map(_runs, left)) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not any(map(_runs, left))


def _runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    status = Path(f"/proc/{process}/status")  # where nobody reaps orphans they stay as zombies
    return not (status.exists() and "State:\tZ" in status.read_text())


def test_what_a_call_tells_is_heard_before_its_end_and_in_its_order():
    messages = []
    for end in pool(
        lambda task, tell: [tell(f"{task}{k}" * 10**5) for k in range(3)],
        ["a", "b"],
        2,
        lambda *message: messages.append(message),
    ):
        if end:
            messages.append(end)
    assert [text if text is None else text[:2] for task, text in messages if task == "a"] == [
        "a0",
        "a1",
        "a2",
        None,
    ]


def test_a_message_that_breaks_off_is_the_end():
    def work(task: int, tell) -> None:
        os.write(tell.__self__.fileno(), struct.pack("!i", 100) + b"not a hundred")
        os.kill(os.getpid(), signal.SIGKILL)

    ((_, how),) = (end for end in pool(work, [1], 1, lambda *message: None) if end)
    assert "SIGKILL" in how


def test_a_caller_that_raises_on_hearing_ends_the_others(tmp_path: Path):
    def work(task: int, tell) -> None:
        (tmp_path / str(os.getpid())).touch()
        if task:
            tell("no")
        time.sleep(600)

    def hear(task: int, message: str) -> None:
        raise ValueError(message)

    with pytest.raises(ValueError, match="no"):
        list(pool(work, [0, 1], 2, hear))
    for path in tmp_path.iterdir():
        with pytest.raises(ProcessLookupError):
            os.kill(int(path.name), 0)


def test_ctrl_c_is_for_the_caller_alone():
    before = signal.signal(
        signal.SIGINT, signal.default_int_handler
    )  # a shell starts what runs in the background without it
    calls = pool(lambda task: [os.kill(os.getpid(), signal.SIGINT), time.sleep(0.1)], [1], 1)
    assert [end for end in calls if end] == [(1, None)]
    with pytest.raises(KeyboardInterrupt):
        os.kill(os.getpid(), signal.SIGINT)
    signal.signal(signal.SIGINT, before)


def test_a_call_computes_with_threads_though_this_process_did():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        torch.ones(10**6).relu().sum()
        calls = pool(lambda task: torch.ones(10**6).relu().sum(), [1], 1)
        assert next(end for n, end in enumerate(calls) if end or n > 600) == (1, None), (
            "it waits for threads that were not forked"
        )
    finally:
        torch.set_num_threads(before)


def test_results_come_back_from_processes_of_their_own():
    numbers = each_apart(lambda name: (name * 2, os.getpid(), cores()), ["a", "b", "c"], 2)
    assert {name: text for name, (text, _, _) in numbers.items()} == {
        "a": "aa",
        "b": "bb",
        "c": "cc",
    }
    processes = {process for _, process, _ in numbers.values()}
    assert len(processes) == 3 and os.getpid() not in processes
    assert {cores for *_, cores in numbers.values()} == {1}, "nothing is divided twice"
    for tasks, jobs in ((["a"], 2), (["a", "b"], 1)):
        alone = each_apart(lambda name: os.getpid(), tasks, jobs)
        assert set(alone.values()) == {os.getpid()}


def test_what_fails_in_a_process_fails_here():
    with pytest.raises(KeyError, match="b"):
        each_apart(lambda name: {"a": 1}[name], ["a", "b"], 2)
    with pytest.raises(RunError, match="b broke off, because its process ended with exit code 3"):
        each_apart(lambda name: os._exit(3) if name == "b" else name, ["a", "b"], 2)
