"""Runs made by Ray and by submitit, in processes that open plugins and data for themselves.

Each of these processes imports torch anew, so the two tests that start them run in ``tox -e
clusters`` alone.
"""

from __future__ import annotations

import inspect
import os
import re
import signal
import sys
from types import SimpleNamespace

import pytest

from merbench.api import RequestError
from merbench.engine.plan.settings import configured
from merbench.results.store.claims import Claims
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


class DoneJob:
    """``error``: what it ended with."""

    def __init__(self, error=None):
        self.error = error

    def done(self):
        return True

    def exception(self):
        return self.error


class FakeSubmitit:
    """What the executor asks submitit for; each job is done at once."""

    def __init__(self, **how):
        self.asked, self.arrays = dict(how), []

    def update_parameters(self, **parameters):
        self.asked |= parameters

    def map_array(self, work, tasks):
        self.arrays.append(list(tasks))
        return [DoneJob(task if isinstance(task, Exception) else None) for task in tasks]


@pytest.fixture
def submitit(monkeypatch):
    """The executors that were made."""
    results = []

    def executor(**how):
        results.append(FakeSubmitit(**how))
        return results[-1]

    monkeypatch.setitem(sys.modules, "submitit", SimpleNamespace(AutoExecutor=executor))
    return results


def delays_before_the_limit():
    """Seconds between submitit's signal and its limit, on Slurm and on this machine: of the package
    where it is installed, else those of 1.5.4.
    """
    try:
        from submitit.local.local import start_controller
        from submitit.slurm.slurm import _make_sbatch_string
    except ImportError:
        return [90, 30]
    return [
        inspect.signature(make_job).parameters["signal_delay_s"].default
        for make_job in (_make_sbatch_string, start_controller)
    ]


@pytest.mark.parametrize("minutes", [1, 120])
def test_a_run_has_all_the_minutes_that_were_asked_for(executor, minutes, request):
    delay = max(delays_before_the_limit())
    submitit = request.getfixturevalue("submitit")
    list(executor("slurm", 2, minutes=minutes)(print, [1, 2, 3]))
    (job,) = submitit
    assert job.asked["timeout_min"] * 60 - delay >= minutes * 60
    assert job.asked["slurm_array_parallelism"] == 2 and job.arrays == [[1, 2, 3]]


def test_local_jobs_are_started_as_many_at_once_as_may_run(executor, submitit):
    ended = list(executor("slurm", 2, cluster="local")(print, [1, 2, 3]))
    assert submitit[0].arrays == [[1, 2], [3]] and submitit[0].asked["cluster"] == "local"
    assert [end for end in ended if end] == [(1, None), (2, None), (3, None)]


def test_a_job_that_fails_ends_with_one_line(executor, submitit):
    tasks = [ValueError("first\nlast"), ValueError()]
    ended = [end for end in executor("slurm", 2)(print, tasks) if end]
    assert [error for _, error in ended] == ["ValueError: last", "ValueError"]


def test_no_debugger_can_be_asked_for(executor):
    """submitit's cluster ``debug`` opens one where a job fails."""
    with pytest.raises(RequestError, match=r"cluster.*'slurm' or 'local'"):
        executor("slurm", 1, cluster="debug")


@pytest.fixture
def ray(monkeypatch):
    """What Ray was begun with, and what its tasks were; each of them is done at once."""
    began, remotes = [], []

    def remote(**options):
        remotes.append(options)
        return lambda call: SimpleNamespace(remote=lambda task: task)

    def init(**how):
        began.append(how | {"hides": os.environ.get("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO")})

    fake = SimpleNamespace(
        is_initialized=lambda: False,
        init=init,
        remote=remote,
        wait=lambda running, timeout: (running[:1], running[1:]),
        get=lambda task: None,
        shutdown=lambda: None,
        exceptions=SimpleNamespace(RayError=RuntimeError),
    )
    monkeypatch.setitem(sys.modules, "ray", fake)
    monkeypatch.setenv("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "")
    monkeypatch.delenv("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO")
    return began, remotes


@pytest.mark.parametrize(("settings", "share"), [({}, 0.0), ({"gpus": 0.5}, 0.5)])
def test_ray_hides_no_gpu_from_runs_that_reserve_none(executor, ray, settings, share):
    began, remotes = ray
    assert len(list(executor("ray", 2, **settings)(print, [1, 2, 3]))) == 3
    assert began[0]["hides"] == "0" and began[0]["num_cpus"] == 2
    assert remotes == [{"num_cpus": 1.0, "num_gpus": share, "max_retries": 0}]


@pytest.mark.parametrize(("jobs", "cpus"), [(1, 1.4), (1, 0.2), (3, 0.5), (5, 0.5), (4, 2)])
def test_ray_on_this_machine_has_the_cpus_of_all_runs_at_once(executor, ray, jobs, cpus):
    """With fewer a run that asks for more would wait for ever."""
    list(executor("ray", jobs, cpus=cpus)(print, [1]))
    assert jobs * cpus <= ray[0][0]["num_cpus"] < jobs * cpus + 1


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({}, "Ray cannot be started on this machine (Exception: The current node timed out.)"),
        ({"address": "auto"}, "no Ray cluster at auto can be reached (Exception: "),
    ],
)
def test_ray_that_does_not_start_is_one_sentence(executor, monkeypatch, settings, sentence):
    def init(**how):
        raise Exception("The current node timed out.")

    fake = SimpleNamespace(is_initialized=lambda: False, init=init)
    monkeypatch.setitem(sys.modules, "ray", fake)
    monkeypatch.setenv("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    with pytest.raises(RequestError, match=re.escape(sentence)):
        list(executor("ray", 1, **settings)(print, [1]))


def test_a_library_that_is_not_there_is_reported_with_the_fix(executor, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(RequestError, match=r"pip install 'merbench-executors\[ray\]'"):
        list(executor("ray", 1)(print, [1]))
