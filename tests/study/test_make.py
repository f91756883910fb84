"""A study's runs: each once, whoever else works on the store and whatever dies."""

from __future__ import annotations

import contextlib
import dataclasses
import multiprocessing
import os
import random
import signal
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from merbench.api import RequestError, pool
from merbench.results.store.claims import Claims
from merbench.results.store.store import Store
from merbench.runs import one_run
from merbench.runs.run import run
from merbench.runs.workspace import Sources, Workspace
from merbench.study.file import read_study
from merbench.study.layout import Cell, lay_out
from merbench.study.make import Worker, make
from merbench.study.status import seconds_left, status_of_cells
from tests.tiny_runs import MACHINE, STUDY

FORK = multiprocessing.get_context("fork")
KILLS = int(os.environ.get("MERBENCH_KILLS", "5"))


@dataclass
class Laid:
    """A study laid out on a store. ``made``: the runs that were begun, whichever process began
    them.
    """

    cells: list[Cell]
    workspace: Workspace
    store: Store
    log: Path

    @property
    def runs(self):
        return [run for cell in self.cells for run in cell.runs]

    @property
    def made(self) -> list[str]:
        return self.log.read_text().splitlines() if self.log.exists() else []

    def go(self, jobs: int = 2):
        """What became of each run that was not done."""
        worker = Worker(self.workspace, self.store.root, "cpu", 1)
        missing = [
            u for u in self.runs if (r := self.store.get(u.run_id)) is None or r.status == "failed"
        ]
        ended = make(
            missing, lambda work, tasks: pool(work, tasks, jobs), worker, self.store, worker.failed
        )
        return {e.run.run_id: e for e in ended if e is not None}


@pytest.fixture
def lay(tmp_path, home, catalog, store, monkeypatch):
    log = tmp_path / "log"
    sound = one_run._train

    def logged(work, seed, split, *more):
        with log.open("a") as file:
            file.write(f"{work.run_id(seed, split)}\n")
        return sound(work, seed, split, *more)

    monkeypatch.setattr(one_run, "_train", logged)

    def lay(text: str = STUDY) -> Laid:
        (tmp_path / "S.toml").write_text(text)
        workspace = Workspace(Sources((), (home,), ()), catalog)
        return Laid(
            lay_out(read_study(tmp_path / "S.toml"), workspace, store, lambda sentence: None),
            workspace,
            store,
            log,
        )

    return lay


SMALL = STUDY.partition('[[tracks]]\ndataset = "tiny"\nprotocol')[0]


def test_every_run_is_made_once_and_is_the_one_that_would_be_made_alone(lay, store, tmp_path):
    study = lay(SMALL)
    ended = study.go(jobs=3)
    assert {e.how for e in ended.values()} == {"done"} and len(ended) == 9
    assert sorted(study.made) == sorted(u.run_id for u in study.runs)
    assert study.go() == {} and len(study.made) == 9
    alone = Store(tmp_path / "alone")
    for cell in study.cells:
        for record in run(cell.plan, study.workspace.corpus("tiny"), cell.seeds, alone, MACHINE):
            other = store.get(record.run_id)
            assert other and (other.metrics, other.weights_sha256) == (
                record.metrics,
                record.weights_sha256,
            )


def test_two_that_work_on_one_store_make_each_run_once(lay):
    study = lay(
        STUDY.replace("seeds = 3", "seeds = 4")
        .replace('"folds"', '"other"')
        .replace("epochs = 2", "epochs = 1")
    )
    assert len(study.cells) == 6 and len(study.runs) == 24
    others = [FORK.Process(target=study.go) for _ in range(2)]
    for other in others:
        other.start()
    study.go()
    for other in others:
        other.join()
        assert other.exitcode == 0
    assert sorted(study.made) == sorted(u.run_id for u in study.runs)
    assert {r.run_id for r in study.store.records()} == {u.run_id for u in study.runs}
    assert not Claims(study.store.root).held()


def test_what_fails_is_recorded_and_the_rest_go_on(lay, monkeypatch):
    study = lay(SMALL)
    errors = {0: KeyError("odd"), 1: RuntimeError("CUDA out of memory"), 2: None}
    sound = one_run.learn

    def learn(plan, problem, fold, seed, *more):
        if plan.spec.model == "lmf" and errors[seed]:
            raise errors[seed]
        if plan.spec.model == "tfn" and seed == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        return sound(plan, problem, fold, seed, *more)

    monkeypatch.setattr(one_run, "learn", learn)
    ended = study.go()
    failed = {
        (e.run.request.model, e.run.seed): e.record.error
        for e in ended.values()
        if e.how == "failed"
    }
    assert failed.keys() == {("lmf", 0), ("lmf", 1), ("tfn", 1)} and len(ended) == 9
    assert (
        "KeyError" in failed["lmf", 0]
        and "out of memory" in failed["lmf", 1]
        and "SIGKILL" in failed["tfn", 1]
    )
    killed = next(u.run_id for u in study.runs if (u.request.model, u.seed) == ("tfn", 1))
    assert study.made.count(killed) == 2, "a run whose process died is tried once more"
    assert [(s.done, s.failed, s.waiting) for s in status_of_cells(study.cells, study.store)] == [
        (3, 0, 0),
        (1, 2, 0),
        (2, 1, 0),
    ]
    monkeypatch.setattr(one_run, "learn", sound)
    assert {e.how for e in study.go().values()} == {"done"}, (
        "what failed is tried again when it is asked for again"
    )


def test_a_unit_that_is_another_run_here_fails_under_its_own_name(lay, store):
    study = lay(SMALL)
    unit = study.runs[0]
    worker = Worker(study.workspace, store.root, "cpu", 1)
    worker(unit)
    worker(dataclasses.replace(unit, run_id="0123456789abcdef"))
    assert store.get(unit.run_id).status == "done"
    assert "bring both to the same state" in store.get("0123456789abcdef").error


def test_a_run_that_another_process_is_at_is_waited_for_and_taken_over_when_that_one_dies(lay):
    study = lay(SMALL)
    unit = study.runs[0]

    def hold() -> None:
        claim = Claims(study.store.root).take(unit.run_id)
        assert claim
        time.sleep(600)

    holder = FORK.Process(target=hold)
    holder.start()
    while not Claims(study.store.root).held():
        time.sleep(0.01)
    worker = Worker(study.workspace, study.store.root, "cpu", 1)
    calls = []
    for ended in make(
        study.runs, lambda work, tasks: pool(work, tasks, 2), worker, study.store, worker.failed
    ):
        if ended:
            calls.append(ended.run.run_id)
        if len(calls) == 8 and holder.is_alive():
            assert unit.run_id not in calls
            holder.kill()
            holder.join()
    assert calls[-1] == unit.run_id and len(calls) == 9


def test_a_store_that_becomes_another_folder_ends_a_study(lay, store):
    study = lay(SMALL)
    worker, away = Worker(study.workspace, store.root, "cpu", 1), store.root.with_name("away")
    with pytest.raises(RequestError, match="no longer the folder it was"):
        for ended in make(
            study.runs, lambda work, tasks: pool(work, tasks, 2), worker, store, worker.failed
        ):
            if ended and not away.exists():
                store.root.rename(away)
                store.root.mkdir()
    assert list(away.glob("runs/*.json"))
    assert len(list(store.root.rglob("*.json"))) <= 2, "those that were just being written"


def test_status_counts_and_estimates(lay, store):
    study = lay(SMALL)
    assert seconds_left(status_of_cells(study.cells, store)) is None
    for unit in study.runs[:4]:
        Worker(study.workspace, store.root, "cpu", 1)(unit)
    claims = Claims(store.root)
    with claims.take(study.runs[4].run_id) as fifth, claims.take(study.runs[5].run_id) as sixth:
        fifth.tell({"of": 8, "epoch": 2})
        sixth.tell({"of": 8, "epoch": 4})
        cells = status_of_cells(study.cells, store)
    assert [(s.done, s.running, s.failed, s.waiting) for s in cells] == [
        (3, 0, 0, 0),
        (1, 2, 0, 0),
        (0, 0, 0, 3),
    ]
    a, b = cells[0].seconds, cells[1].seconds
    assert a and b and cells[2].seconds is None
    assert seconds_left(cells) == pytest.approx((1.25 * b + 3 * (a + b) / 2) / 2)


def test_a_failed_run_that_is_tried_again_is_running(lay, store):
    study = lay(SMALL)
    unit = study.runs[0]
    Worker(study.workspace, store.root, "cpu", 1).failed(unit, "out of memory")

    def first():
        status = status_of_cells(study.cells, store)[0]
        return status.running, status.failed, status.waiting, status.errors

    assert first() == (0, 1, 2, ("out of memory",))
    with Claims(store.root).take(unit.run_id):
        assert first() == (1, 0, 2, ())


def test_workers_killed_at_random_moments(lay):
    """At the end every run has one record, nothing is half-written, and nothing that was finished
    was made again.
    """
    study = lay()
    draw, finished = random.Random(0), dict[str, tuple[int, bytes]]()

    def workers(parent: int) -> list[int]:
        tasks = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
        return [int(pid) for pid in tasks]

    kills = 0
    while kills < KILLS:
        parent = FORK.Process(target=study.go, args=(4,))
        parent.start()
        while parent.is_alive() and kills < KILLS:
            time.sleep(draw.uniform(0.0, 0.3))
            if pids := workers(parent.pid) if parent.is_alive() else []:
                victim = parent.pid if kills % 5 == 4 else draw.choice(pids)
                with contextlib.suppress(ProcessLookupError):  # it has just ended
                    os.kill(victim, signal.SIGKILL)
                kills += 1
            for path in study.store.runs.glob("*.json"):
                stamp = (path.stat().st_mtime_ns, path.read_bytes())
                assert study.store.get(path.stem) is not None, study.store.warnings
                if study.store.get(path.stem).status == "done":
                    assert finished.setdefault(path.stem, stamp) == stamp, (
                        "a finished run was made again"
                    )
        parent.join()
        if not any(u for u in study.runs if study.store.get(u.run_id) is None):
            for path in study.store.runs.glob("*"):
                path.unlink()
            finished.clear()
    while any(e.how == "failed" for e in study.go(4).values()):
        pass
    assert sorted(r.run_id for r in study.store.records()) == sorted(u.run_id for u in study.runs)
    assert all(r.status == "done" for r in study.store.records()) and not study.store.warnings
    for name, stamp in finished.items():
        path = study.store.runs / f"{name}.json"
        assert (path.stat().st_mtime_ns, path.read_bytes()) == stamp
