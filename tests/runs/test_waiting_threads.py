"""Threads that wait soon sleep, where other work has the cores too."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from merbench.runs.waiting_threads import spin_briefly


@pytest.fixture
def stat(tmp_path):
    """A system on which so many processes run, ours among them."""

    def write(running):
        path = tmp_path / "stat"
        path.write_text(f"cpu  1 2 3\nprocesses 9\nprocs_running {running}\nprocs_blocked 0\n")
        return path

    return write


@pytest.mark.parametrize(
    ("cores", "running", "sleeps"),
    [(2, 1, False), (2, 2, True), (8, 5, False), (8, 6, True), (1, 1, False), (1, 2, True)],
)
def test_they_soon_sleep_where_not_every_thread_has_a_core(stat, cores, running, sleeps):
    environ = {}
    spin_briefly(environ, cores, stat(running))
    assert environ == ({"GOMP_SPINCOUNT": "1000"} if sleeps else {})


@pytest.mark.parametrize("name", ["OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "OMP_NUM_THREADS"])
def test_what_the_user_has_set_stays(stat, name):
    environ = {name: "1"}
    spin_briefly(environ, 2, stat(9))
    assert environ == {name: "1"}


def test_a_system_that_does_not_say_changes_nothing(tmp_path):
    environ = {}
    spin_briefly(environ, 2, tmp_path / "none")
    (tmp_path / "other").write_text("cpu 1\n")
    spin_briefly(environ, 2, tmp_path / "other")
    assert environ == {}


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="another OpenMP")
def test_torchs_openmp_hears_it(stat):
    """The variable counts when torch is imported, which is after this."""
    code = (
        "import os, pathlib, sys; from merbench.runs.waiting_threads import spin_briefly;"
        "spin_briefly(os.environ, 2, pathlib.Path(sys.argv[1])); import torch; torch.ones(1)"
    )
    environ = {k: v for k, v in os.environ.items() if not k.startswith(("OMP_", "GOMP_"))}
    environ["OMP_DISPLAY_ENV"] = "verbose"
    words = [sys.executable, "-c", code, str(stat(9))]
    shown = subprocess.run(words, capture_output=True, text=True, check=True, env=environ)
    assert "GOMP_SPINCOUNT = '1000'" in shown.stderr
