"""Ctrl-C in a long command: an exit code, one sentence, no process left; and the same command goes
on.
"""

from __future__ import annotations

import multiprocessing
import os
import shutil
import signal
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
    """The program in a session of its own, forked from this process, which has torch already. It
    does not come to an end: the third seed is trained until it is interrupted.
    """

    def command():
        from merbench.cli.main import main
        from merbench.runs import one_run

        train = one_run._train

        def only_two_seeds(work, seed, *more):
            while seed > 1:
                time.sleep(1)
            return train(work, seed, *more)

        one_run._train = only_two_seeds
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
def interrupted(tmp_path, parsed_code):
    """Interrupts a command once ``begun(store)``, and gives its process and what it said."""
    cache = tmp_path / "cache/merbench"
    cache.mkdir(parents=True)
    shutil.copy(parsed_code, cache)

    def interrupted(words, begun):
        command = forked(words, tmp_path)
        while not begun() and command.is_alive():
            time.sleep(0.02)
        os.killpg(command.pid, signal.SIGINT)
        command.join(600)
        return command, (tmp_path / "errors").read_text()

    return interrupted


def trials(store: Path) -> int:
    """Finished ones."""
    return sum(path.read_text().count('"state":1') for path in store.glob("tuning/*.journal"))


@pytest.mark.parametrize(
    ("words", "count"),
    [
        (("run", *QUICK, "--seeds", "4"), own),
        (("study", "run", "S.toml", "--jobs", "2"), own),
        # Of more trials than it can try before it is interrupted.
        (("tune", *QUICK, "--pruner", "none", "--trials", "1000"), trials),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else "",
)
def test_the_same_command_goes_on_after_ctrl_c(merbench, interrupted, tmp_path, words, count):
    (tmp_path / "S.toml").write_text(STUDY)
    store = tmp_path / "runs"
    command, errors = interrupted(words, lambda: count(store))
    assert command.exitcode == 130, errors
    assert (
        errors.splitlines()[-1]
        == "interrupted: what was finished is kept, and the same command continues from there"
    )
    assert "Traceback" not in errors and errors.count("interrupted") == 1
    with pytest.raises(ProcessLookupError):
        os.killpg(command.pid, 0)
    kept = {path: path.stat().st_mtime_ns for path in store.glob("runs/*.json")}
    before = count(store)
    # Alone: it continues as well, and starts no processes that import torch anew.
    new_values = {"--jobs": "1", "--trials": str(before + 1)}
    merbench(*(new_values.get(option, word) for option, word in pairwise(("", *words))), check=True)
    assert before >= 1 and count(store) == (before + 1 if words[0] == "tune" else 4)
    assert all(path.stat().st_mtime_ns == stamp for path, stamp in kept.items())
