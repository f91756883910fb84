"""Ctrl-C in a long command: an exit code, one sentence, no process left; and the same command goes
on.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from itertools import pairwise
from pathlib import Path

import pytest

QUICK = (
    "--model",
    "late-fusion-dnn",
    "--dataset",
    "sample",
    "--epochs",
    "2",
    "--modalities",
    "text",
    "--jobs",
    "2",
    "--json",
    "--set",
    "dataset.train=200",
)


def own(store: Path) -> int:
    """Records but those of floors."""
    return sum('"late-fusion-dnn"' in path.read_text() for path in store.glob("runs/*.json"))


STUDY = """
models = ["late-fusion-dnn"]
seeds = 4
floors = false
settings.train.epochs = 2

[[tracks]]
dataset = "sample:train=200"
modalities = ["text"]
"""


@pytest.mark.parametrize(
    ("words", "begun"),
    [
        (("run", *QUICK, "--seeds", "4"), own),
        (("study", "run", "S.toml", "--jobs", "2"), own),
        (
            ("tune", *QUICK, "--trials", "4", "--pruner", "none"),
            lambda store: sum(
                p.read_text().count('"state":1') for p in store.glob("tuning/*.journal")
            ),
        ),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else "",
)
def test_the_same_command_goes_on_after_ctrl_c(merbench, tmp_path, words, begun):
    (tmp_path / "S.toml").write_text(STUDY)
    store = tmp_path / "runs"
    # A shell starts what goes on in the background deaf to Ctrl-C, and this may be such a process.
    hears = {
        "preexec_fn": lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        "start_new_session": True,
    }
    with merbench.begin(
        *words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, **hears
    ) as command:
        while not begun(store) and command.poll() is None:
            time.sleep(0.05)
        os.killpg(command.pid, signal.SIGINT)
        errors = command.communicate(timeout=300)[1]
    assert command.returncode == 130, errors
    assert (
        errors.splitlines()[-1]
        == "interrupted: what was finished is kept, and the same command continues from there"
    )
    assert "Traceback" not in errors and errors.count("interrupted") == 1
    with pytest.raises(ProcessLookupError):
        os.killpg(command.pid, 0)
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
