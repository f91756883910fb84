"""Runs side by side: the same records as one after the other, and a process that dies takes only
its own run with it.
"""

from __future__ import annotations

import os
import signal

import pytest

from merbench.api import RequestError
from merbench.api.events import EpochDone, RunDone
from merbench.results.store.store import Store
from merbench.runs.run import run
from tests.tiny_runs import MACHINE


def essence(records):
    return [
        (r.run_id, r.seed, r.fold, r.status, r.error, r.weights_sha256, r.metrics, r.history)
        for r in records
    ]


def test_side_by_side_gives_the_records_of_one_after_the_other(make, store):
    plan, corpus = make(protocol="folds")
    events = []
    alone = run(plan, corpus, [0, 1], Store(store.root / "alone"), MACHINE)
    both = run(
        plan,
        corpus,
        [0, 1],
        store,
        MACHINE,
        jobs=2,
        watch=events.append,
    )
    assert (
        essence(both)
        == essence(alone)
        == essence(sorted(store.records(), key=lambda r: (r.seed, r.fold)))
    )
    assert sum(isinstance(e, EpochDone) for e in events) == 12
    assert [e.reused for e in events if isinstance(e, RunDone)] == [False] * 6
    assert both[0].provenance["threads"] == 1
    assert essence(run(plan, corpus, [0, 1, 2], store, MACHINE, jobs=2))[:6] == essence(both), (
        "what is there is not run again"
    )


def test_a_failed_run_is_recorded_and_the_rest_go_on(make, store):
    plan, corpus = make(settings={"train.lr": 1e30, "train.clip_norm": 0})
    assert {r.status for r in run(plan, corpus, [0, 1, 2], store, MACHINE, jobs=2)} == {"failed"}


def test_a_process_that_dies_takes_only_its_own_run_with_it(make, store, monkeypatch):
    import merbench.runs.one_run as module

    plan, corpus = make()
    sound = module.learn

    def dies_for_seed_1(plan, problem, fold, seed, *more):
        if seed == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        return sound(plan, problem, fold, seed, *more)

    monkeypatch.setattr(module, "learn", dies_for_seed_1)
    records = run(plan, corpus, [0, 1, 2, 3], store, MACHINE, jobs=2)
    assert [r.status for r in records] == [
        "done",
        "failed",
        "done",
        "done",
    ] and "SIGKILL" in records[1].error
    assert essence(sorted(store.records(), key=lambda r: r.seed)) == essence(records)
    monkeypatch.setattr(module, "learn", sound)
    assert [r.status for r in run(plan, corpus, [0, 1, 2, 3], store, MACHINE, jobs=2)] == [
        "done"
    ] * 4


def test_a_store_that_becomes_another_folder_is_noticed_in_every_process(make, store):
    plan, corpus = make()
    store.require_writable()
    away = store.root.with_name("away")

    def unmount(event):
        if isinstance(event, RunDone) and not away.exists():
            store.root.rename(away)
            store.root.mkdir()

    with pytest.raises(RequestError, match="no longer the folder it was"):
        run(plan, corpus, range(6), store, MACHINE, jobs=2, watch=unmount)
    assert list(away.glob("runs/*.json"))
    assert len(list(store.root.rglob("*.json"))) <= 2, "those that were just being written"


def test_what_is_wrong_with_the_request_is_told_as_without_jobs(make, store, monkeypatch):
    import merbench.runs.one_run as module

    def refuses(*words):
        raise RequestError("no row is known")

    plan, corpus = make()
    monkeypatch.setattr(module, "build", refuses)
    with pytest.raises(RequestError, match="no row is known"):
        run(plan, corpus, [0, 1], store, MACHINE, jobs=2)
