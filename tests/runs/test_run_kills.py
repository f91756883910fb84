"""Runs killed at any moment go on to the same bits, each with one record."""

from __future__ import annotations

from merbench.engine.training import checkpoint
from merbench.results.store.store import Store
from merbench.runs.run import run
from tests.kills import content, resumes
from tests.tiny_runs import MACHINE


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
