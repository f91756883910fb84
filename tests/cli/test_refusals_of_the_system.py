"""A full disk, no further process, a terminal that cannot encode: one sentence each, exit code 2."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from merbench.cli.main import main
from merbench.results.store.store import Store
from tests.report.made import put, spec
from tests.tiny_runs import SAMPLE

RUN = ("--dataset", "tiny", "--data", "data", "--epochs", "1", "--set", "train.batch_size=4")
WRITERS = {
    "run": ("run", "--model", "tfn", "--seeds", "1", *RUN),
    "tune": ("tune", "--model", "tfn", "--trials", "1", *RUN),
    "save a config": ("run", "--model", "tfn", "--save-config", "c.toml", *RUN),
    "score": ("score", "p.csv", "--dataset", "tiny", "--data", "data", "--name", "x"),
    "merge": ("store", "merge", "runs", "--into", "other"),
    "submit": ("leaderboard", "submit", "tfn", "--out", "sent"),
    "pull": ("leaderboard", "pull", "runs", "--store", "other"),
    "cards": ("leaderboard", "export", "--format", "hf", "--out", "cards"),
    "plot": ("compare", "tfn", "merclip", "--rows", "0", "--plot", "x.svg"),
}


@contextlib.contextmanager
def no_room(monkeypatch):
    """No file of this process may grow, whichever library writes it."""
    monkeypatch.setenv("TMPDIR", "/dev/shm")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("writer", WRITERS)
def test_a_disk_without_room_is_one_sentence(writer, merbench, home, tmp_path, monkeypatch):
    for model in ("tfn", "merclip"):
        put(Store(tmp_path / "runs"), 0.5, spec(model), range(2))
    (tmp_path / "p.csv").write_text("id,score\n" + "".join(f"v{i // 2}_{i % 2},0\n" for i in TEST))
    before = _files(tmp_path)
    with no_room(monkeypatch):
        result = merbench(*WRITERS[writer])
    last = result.stderr.strip().splitlines()[-1]
    assert result.returncode == 2 and last.startswith("error: ") and "File too large" in last
    assert _files(tmp_path) == before


TEST = [i for i in range(24) if i // 2 % 4 == 3]


def _files(folder):
    """Name -> content of what holds anything but caches and locks."""
    paths = (p for p in folder.rglob("*") if p.is_file() and p.stat().st_size)
    return {p: p.read_bytes() for p in paths if "cache" not in p.parts}


def test_a_disk_that_fills_up_while_boards_are_written_names_the_file(
    merbench, tmp_path, monkeypatch
):
    put(Store(tmp_path / "runs"), 0.5, spec("tfn"), range(2))

    def full(handle):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    submit = ("leaderboard", "submit", "tfn", "--out", "sent")
    build = ("leaderboard", "build", "--out", "boards")
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        for words in (submit, build):
            result = merbench(*words)
            assert result.returncode == 2
            assert result.stderr.endswith(
                f"{words[-1]}/sample-sentiment-standard/written.json: No space left on device; "
                "make room, or choose another folder\n"
            )
    for words in (submit, build):
        merbench(*words, check=True)  # there is room again, and nothing is in the way


def test_output_that_cannot_be_written_is_one_sentence(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["merbench", "list", "models"])
    errors = io.StringIO()
    with (
        Path("/dev/full").open("w", encoding="utf-8") as full,
        contextlib.redirect_stdout(full),
        contextlib.redirect_stderr(errors),
        pytest.raises(SystemExit) as stop,
    ):
        main()
    assert stop.value.code == 2
    assert (
        errors.getvalue().startswith("error: ") and "No space left on device" in errors.getvalue()
    )


def _refuse(*_, **__):
    raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))


@pytest.mark.parametrize("command", ["run", "tune"])
def test_a_refused_process_is_one_sentence(command, merbench, home, monkeypatch):
    how = ("--trials", "2") if command == "tune" else ("--seeds", "2")
    monkeypatch.setattr(os, "fork", _refuse)
    monkeypatch.setattr(subprocess, "Popen", _refuse)
    result = merbench(command, "--model", "tfn", "--jobs", "2", *how, *RUN)
    assert result.returncode == 2 and result.stderr.strip().endswith(
        "the system refuses another process (Resource temporarily unavailable); "
        "use fewer --jobs or --threads, or raise the limit (ulimit -u)"
    )


def test_a_refused_thread_is_one_sentence(merbench, monkeypatch, plugins_anew):
    def refuse(self):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr("threading.Thread.start", refuse)
    result = merbench("run", "--model", "majority", "--dataset", SAMPLE, "--seeds", "1")
    assert result.returncode == 2 and "refuses another thread" in result.stderr


def test_a_file_where_a_folder_is_meant_is_told_with_the_way_out(merbench, tmp_path):
    file = tmp_path / "file"
    file.touch()
    board = merbench("leaderboard", "--store", str(file))
    assert board.returncode == 2
    assert f"{file}/runs: Not a directory; name a folder, not a file" in board.stderr
