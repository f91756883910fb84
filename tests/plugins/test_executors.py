"""Runs made by Ray and by submitit, in processes that open plugins and data for themselves.

Each of these processes imports torch anew, so the two tests that start them run in ``tox -e
clusters`` alone.
"""

from __future__ import annotations

import os
import signal

import pytest

from merbench.api import RequestError
from merbench.engine.plan.settings import configured
from merbench.results.claims import Claims
from merbench.runs.workspace import Sources, Workspace
from merbench.study.file import read_study
from merbench.study.layout import lay_out
from merbench.study.make import Worker, make
from tests.tiny_runs import STUDY

clusters = pytest.mark.skipif(
    "MERBENCH_CLUSTERS" not in os.environ, reason="tox -e clusters starts Ray and submitit"
)
ONE_TRACK = STUDY.partition('[[tracks]]\ndataset = "tiny"\nprotocol')[0].replace(
    '"late-fusion-dnn", "lmf", ', ""
)


@pytest.fixture
def study(home, catalog, store, tmp_path):
    """``(units, worker, executor of a kind)``."""

    def study(epochs: int = 1):
        (tmp_path / "S.toml").write_text(
            ONE_TRACK.replace("epochs = 2", f"epochs = {epochs}, patience = {epochs}")
        )
        workspace = Workspace(Sources((), (home,), ()), catalog)
        cells = lay_out(read_study(tmp_path / "S.toml"), workspace, store, lambda sentence: None)
        return [u for cell in cells for u in cell.runs], Worker(workspace, store.root, "cpu", 1)

    return study


@pytest.fixture
def executor(catalog, store):
    def executor(kind: str, jobs: int, **settings):
        factory = catalog.load(catalog.component("executor", kind))
        return factory(
            configured(factory.Config, settings, "", f"executor {kind}"), jobs, store.root
        )

    return executor


@clusters
def test_submitit_makes_every_run_in_processes_of_its_own(study, executor, store):
    units, worker = study()
    runner = executor("slurm", 3, cluster="local", poll_seconds=0.2)
    ended = [e.how for e in make(units, runner, worker, store, worker.failed) if e]
    assert ended == ["done"] * 3 and {r.run_id for r in store.records()} == {
        u.run_id for u in units
    }
    assert list((store.root / "slurm").iterdir())


@clusters
def test_ray_makes_every_run_also_where_a_worker_is_killed_in_the_midst_of_one(
    study, executor, store
):
    units, worker = study(epochs=150)
    killed = None
    ended = []
    for end in make(units, executor("ray", 2), worker, store, worker.failed):
        at_it = [h for h in Claims(store.root).held().values() if h.about]
        if killed is None and at_it:
            killed = at_it[0]
            os.kill(killed.pid, signal.SIGKILL)
        if end:
            ended.append((end.how, end.run.run_id))
    assert killed is not None and killed.pid != os.getpid(), (
        "no run was long enough to be killed in"
    )
    assert sorted(ended) == sorted(("done", u.run_id) for u in units)
    assert {r.run_id for r in store.records()} == {u.run_id for u in units} and not store.warnings


def test_settings_of_an_executor_are_checked(executor):
    with pytest.raises(RequestError, match="did you mean 'partition'"):
        executor("slurm", 1, partitoin="gpu")


def test_a_library_that_is_not_there_is_told_with_the_mend(executor, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "ray", None)
    with pytest.raises(RequestError, match=r"pip install 'merbench-executors\[ray\]'"):
        list(executor("ray", 1)(print, [1]))
