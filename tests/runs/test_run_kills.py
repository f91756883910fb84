"""Runs killed at any moment go on to the same bits, each with one record."""

from __future__ import annotations

import pytest

from merbench.api.events import EpochDone, Note, RunDone
from merbench.engine.training import checkpoint
from merbench.results.spec import run_id
from merbench.results.store.store import Store
from merbench.runs.run import run
from tests.kills import content, resumes
from tests.tiny_runs import MACHINE

EARLIER = "2026-01-01T00:00:00+00:00"


def outcome(root):
    """What does not depend on when and how long the runs were trained."""
    store = Store(root)
    records = {r.run_id: (r.weights_sha256, r.metrics, r.history) for r in store.records()}
    assert not store.warnings
    return {**records, **dict.fromkeys(content(root))}


def save_each_epoch(monkeypatch):
    monkeypatch.setattr(checkpoint, "EVERY", 0)
    monkeypatch.setattr(checkpoint, "SHARE", 0)


def test_a_run_beside_one_that_is_done(make, store, monkeypatch):
    save_each_epoch(monkeypatch)
    plan, corpus = make(settings={"train.epochs": 2, "train.ema": 0.9})
    root = store.root
    run(plan, corpus, [0], store, MACHINE)

    def call():
        store = Store(root)
        store.require_writable()
        done = {path: path.read_bytes() for path in store.runs.glob("*.json")}
        run(plan, corpus, [0, 1], store, MACHINE)
        assert done == {path: path.read_bytes() for path in done}, "a finished run was run again"

    resumes(root, call, lambda: outcome(root), result=outcome)


@pytest.mark.parametrize("stack", [False, True])
def test_runs_that_are_made_again(make, store, monkeypatch, stack):
    """The same call goes on: it makes no run again that was made again already, and no epoch whose
    checkpoint is there. The runs stand where they stood, and a search's winner stays one.
    """
    save_each_epoch(monkeypatch)
    plan, corpus = make(settings={"train.epochs": 2, "train.stack": stack})
    root, tuned_by = store.root, {"search": "s", "trials": 3, "seconds": 1.0}
    for record in run(plan, corpus, [0, 1], store, MACHINE, tuned_by=tuned_by):
        earlier = record.model_copy(update={"started": EARLIER})  # told in seconds
        store.put(earlier, store.predictions(record.run_id))

    def call():
        left = [name for seed in (0, 1) if not is_made_again(name := name_of(seed))]
        saved = {
            path.stem.removesuffix("-stack") for path in (root / "checkpoints").glob("*.checkpoint")
        }
        most = 2 * len(left) - len(saved.intersection(left)) if left else 4
        store, events = Store(root), []
        store.require_writable()
        records = run(plan, corpus, [0, 1], store, MACHINE, force=True, watch=events.append)
        assert sum(isinstance(event, EpochDone) for event in events) <= most
        assert any(isinstance(event, Note) for event in events) == (len(left) == 1)
        assert [record.tuned_by for record in records] == [tuned_by] * 2

    def name_of(seed):
        return run_id(plan.spec, plan.contents, seed, None)

    def is_made_again(name):
        path = root / "runs" / f"{name}.json"
        return path.exists() and EARLIER not in path.read_text()

    resumes(root, call, lambda: outcome(root), result=outcome)


def test_a_forced_call_is_over_when_its_runs_are_made_again(make, store):
    plan, corpus = make()
    before = run(plan, corpus, [0, 1], store, MACHINE)
    for _ in range(2):
        events = []
        run(plan, corpus, [0, 1], store, MACHINE, force=True, watch=events.append)
        assert [event.reused for event in events if isinstance(event, RunDone)] == [False] * 2
        assert not list((store.root / "checkpoints").iterdir())
    assert [r.weights_sha256 for r in store.records()] == [
        r.weights_sha256 for r in sorted(before, key=lambda r: r.run_id)
    ]
