"""Stores of thousands of runs that nobody trained, with MOSI's 686 test rows."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from safetensors.numpy import save

from merbench.results.metrics import BUILT_IN
from merbench.results.records.predictions import Predictions, record_key
from merbench.results.records.record import Metrics, Record
from merbench.results.records.sealed import seal
from merbench.results.spec import run_id
from merbench.results.store.store import Store
from tests.report.made import SPACE, record, spec

ROWS, VIDEOS = 686, 93
SEEDS, SETTINGS = 10, 20
PACKAGES = {f"package-{i}": f"{i}.0.1" for i in range(12)}


def fill(store: Store, runs: int) -> None:
    """``runs`` records of ten seeds a row, twenty settings a model."""
    store.runs.mkdir(parents=True)
    for row in range(runs // SEEDS):
        for run, predictions in _row(row):
            _put(store.runs, run, predictions)


def _row(row: int) -> Iterator[tuple[Record, Predictions]]:
    model, setting = divmod(row, SETTINGS)
    of = spec(f"model{model:03d}", lr=1e-3 * (1 + setting))
    draw = np.random.default_rng(row)
    # Models of one family err alike: their difference is far from the sum of their errors.
    base, _ = record(0, 0.9 + 0.3 * draw.random(), of, rows=ROWS, provenance={
        "device": "cpu", "threads": 1, "python": "3.11.7", "packages": PACKAGES,
    })  # fmt: skip
    y, videos = _truth()
    shared = 0.5 * np.random.default_rng(model).normal(size=ROWS)
    metrics = BUILT_IN.of(SPACE.label_space())
    for seed in range(SEEDS):
        p = 0.6 * y + shared + (0.7 + row / 5000) * draw.normal(size=ROWS)
        p = p.astype(np.float32).astype(float)
        test = metrics.evaluate(y, p)
        history = [
            {"stage": "main", "epoch": e, "loss": {"task.l1": draw.random(), "task.aux": draw.random()}, "mae": 1.3 - 0.01 * e}
            for e in range(15)
        ]  # fmt: skip
        changes = {
            "run_id": run_id(of, base.contents, seed, None),
            "seed": seed,
            "metrics": Metrics(valid=test, test=test),
            "history": history,
            "best_epoch": 14,
            "weights_sha256": f"{row:032d}{seed:032d}",
        }
        run = base.model_copy(update=changes)
        yield run, Predictions(_ids(), videos, y, p)


def _truth() -> tuple[np.ndarray, list[str]]:
    y = np.round(np.random.default_rng(0).uniform(-3, 3, ROWS), 1)
    return y, [f"video-{i % VIDEOS:03d}-name" for i in range(ROWS)]


def _ids() -> list[str]:
    return [f"{video}_{i // VIDEOS}" for i, video in enumerate(_truth()[1])]


def _put(folder: Path, run: Record, rows: Predictions) -> None:
    """Without the fsync of ``Store.put``, which is not what is measured."""
    tensors = {"target": rows.target.astype(np.float32), "prediction": rows.prediction}
    about = {
        "ids": json.dumps(list(rows.ids)),
        "videos": json.dumps(list(rows.videos)),
        "record": record_key(run),
    }
    content = seal(lambda metadata: save(tensors, metadata), about)
    (folder / f"{run.run_id}.safetensors").write_bytes(content)
    (folder / f"{run.run_id}.json").write_text(run.model_dump_json(indent=1))
