"""Ctrl-C in a long command: an exit code, one sentence, no process left; and the same command goes
on.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path

import pytest

from tests.conftest import environment
from tests.tiny_runs import SAMPLE

QUICK = (
    "--model",
    "late-fusion-dnn",
    "--dataset",
    SAMPLE,
    "--epochs",
    "2",
    "--modalities",
    "text",
    "--jobs",
    "2",
    "--json",
)


def own(store: Path) -> int:
    """Records but those of floors."""
    return sum('"late-fusion-dnn"' in path.read_text() for path in store.glob("runs/*.json"))


STUDY = f"""
models = ["late-fusion-dnn"]
seeds = 4
floors = false
settings.train.epochs = 2

[[tracks]]
dataset = "{SAMPLE}"
modalities = ["text"]
"""


def forked(words: tuple[str, ...], folder: Path) -> multiprocessing.Process:
    """The program in a session of its own, forked from this process, which has torch already."""

    def command():
        from merbench.cli.main import main

        os.setsid()
        signal.signal(signal.SIGINT, signal.default_int_handler)
        for name in [name for name in os.environ if name.startswith("MERBENCH_")]:
            del os.environ[name]
        os.environ.update(environment(folder))
        os.chdir(folder)
        sys.stdout = sys.stderr = (folder / "errors").open("w", buffering=1)
        sys.argv = ["merbench", *words]
        main()

    process = multiprocessing.get_context("fork").Process(target=command)
    process.start()
    return process


@pytest.fixture
def interrupted(tmp_path, merbench):
    """Interrupts a command once ``begun(store)``, and gives its exit code and what it said. The
    command is forked from this process, or ``new``.
    """

    def in_new_process(words, begun):
        # A shell starts what goes on in the background deaf to Ctrl-C, and this may be such.
        hears = {
            "preexec_fn": lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
            "start_new_session": True,
        }
        with merbench.begin(
            *words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, **hears
        ) as command:
            while not begun() and command.poll() is None:
                time.sleep(0.05)
            os.killpg(command.pid, signal.SIGINT)
            errors = command.communicate(timeout=300)[1]
        return command.pid, command.returncode, errors

    def in_fork(words, begun):
        command = forked(words, tmp_path)
        while not begun() and command.is_alive():
            time.sleep(0.02)
        os.killpg(command.pid, signal.SIGINT)
        command.join(300)
        return command.pid, command.exitcode, (tmp_path / "errors").read_text()

    return lambda words, begun, new: (in_new_process if new else in_fork)(words, begun)


@pytest.mark.parametrize(
    ("words", "begun", "new"),
    [
        (("run", *QUICK, "--seeds", "4"), own, False),
        (("study", "run", "S.toml", "--jobs", "2"), own, False),
        (
            ("tune", *QUICK, "--trials", "4", "--pruner", "none"),
            lambda store: sum(
                p.read_text().count('"state":1') for p in store.glob("tuning/*.journal")
            ),
            True,
        ),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else "",
)
def test_the_same_command_goes_on_after_ctrl_c(merbench, interrupted, tmp_path, words, begun, new):
    (tmp_path / "S.toml").write_text(STUDY)
    store = tmp_path / "runs"
    pid, code, errors = interrupted(words, lambda: begun(store), new)
    assert code == 130, errors
    assert (
        errors.splitlines()[-1]
        == "interrupted: what was finished is kept, and the same command continues from there"
    )
    assert "Traceback" not in errors and errors.count("interrupted") == 1
    with pytest.raises(ProcessLookupError):
        os.killpg(pid, 0)
    kept = {path: path.stat().st_mtime_ns for path in store.glob("runs/*.json")}
    before = begun(store)
    assert 1 <= before < 4, "it was over before Ctrl-C"
    # Alone: it continues as well, and starts no processes that import torch anew.
    merbench(
        *("1" if option == "--jobs" else word for option, word in pairwise(("", *words))),
        check=True,
    )
    assert begun(store) == 4
    assert all(path.stat().st_mtime_ns == stamp for path, stamp in kept.items())
