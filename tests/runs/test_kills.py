"""SIGKILL at any moment: no record lost, none half-written, no finished seed run again.

Five moments here; ``tox -e kills`` sets MERBENCH_KILLS to take more.
"""

from __future__ import annotations

import multiprocessing
import os
import random
import time

from merbench.api.events import EpochDone
from merbench.engine.training import checkpoint
from merbench.results.store.store import Store
from merbench.runs.run import run
from tests.tiny_runs import MACHINE

KILLS = int(os.environ.get("MERBENCH_KILLS", "5"))
SEEDS = list(range(12))


def test_a_study_killed_at_random_moments_ends_with_every_record_exactly_once(make, store):
    plan, corpus = make(settings={"train.epochs": 3})
    reference = Store(store.root / "reference")
    wanted = {
        r.run_id: (r.weights_sha256, r.metrics)
        for r in run(plan, corpus, SEEDS, reference, MACHINE)
    }
    draw = random.Random(0)
    fork = multiprocessing.get_context("fork")
    finished: dict[str, tuple[int, bytes]] = {}
    for _ in range(KILLS):
        child = fork.Process(target=run, args=(plan, corpus, SEEDS, store, MACHINE))
        child.start()
        time.sleep(draw.uniform(0.0, 0.6))
        child.kill()
        child.join()
        for path in store.runs.glob("*.json"):
            stamp = (path.stat().st_mtime_ns, path.read_bytes())
            assert finished.setdefault(path.stem, stamp) == stamp, "a finished run was run again"
            assert store.get(path.stem) is not None, store.warnings
    run(plan, corpus, SEEDS, store, MACHINE)
    for name, stamp in finished.items():
        path = store.runs / f"{name}.json"
        assert (path.stat().st_mtime_ns, path.read_bytes()) == stamp, "a finished run was run again"
    assert {r.run_id: (r.weights_sha256, r.metrics) for r in store.records()} == wanted
    assert not store.warnings


def test_one_run_killed_again_and_again_goes_on_to_the_same_bits(make, store, monkeypatch):
    monkeypatch.setattr(checkpoint, "EVERY", 0)
    monkeypatch.setattr(checkpoint, "SHARE", 0)
    plan, corpus = make(settings={"train.epochs": 24, "train.patience": 24, "train.ema": 0.9})
    (wanted,) = run(plan, corpus, [0], Store(store.root / "reference"), MACHINE)
    draw = random.Random(0)
    fork = multiprocessing.get_context("fork")
    epochs, path = [], store.checkpoint(wanted.run_id)
    for _ in range(KILLS):
        child = fork.Process(target=run, args=(plan, corpus, [0], store, MACHINE))
        before = _stamp(path)
        child.start()
        while child.is_alive() and _stamp(path) == before:
            time.sleep(0.005)
        time.sleep(draw.uniform(0.0, 0.1))
        child.kill()
        child.join()
    (record,) = run(
        plan,
        corpus,
        [0],
        store,
        MACHINE,
        watch=lambda event: epochs.append(event) if isinstance(event, EpochDone) else None,
    )
    assert (record.weights_sha256, record.metrics, record.history) == (
        wanted.weights_sha256,
        wanted.metrics,
        wanted.history,
    )
    assert len(epochs) < 24, "it began anew"
    assert not store.warnings and not store.checkpoint(record.run_id).exists()


def _stamp(path):
    try:
        return path.stat().st_mtime_ns
    except FileNotFoundError:
        return None
