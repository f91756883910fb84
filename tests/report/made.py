"""Runs that nobody trained: records with predictions that err by a known amount, for the tests and benchmarks of boards."""

from __future__ import annotations

from typing import Any

import numpy as np

from merbench.api import TrainConfig
from merbench.results.metrics import score_metrics
from merbench.results.record import Cost, Metrics, Record, Track
from merbench.results.spec import PartSpec, RunSpec, run_id
from merbench.results.store import Predictions, Store

VIDEOS, ROWS = 12, 60
SPACE = {"kind": "score", "words": [str(i) for i in range(-3, 4)]}


def truth(rows: int = ROWS, videos: int = VIDEOS) -> tuple[list[str], list[str], np.ndarray]:
    """Ids, videos, targets: the same at each call."""
    of = [f"v{i % videos:03d}" for i in range(rows)]
    return [f"{v}_{i}" for i, v in enumerate(of)], of, np.round(np.random.default_rng(0).uniform(-3, 3, rows), 1)


def spec(model: str = "merclip", variant: str = "", lr: float = 1e-3, **changed: Any) -> RunSpec:
    parts = {"fusion": PartSpec(name="decoder", config={"width": changed.pop("width", 64), "order": ["text", "audio"]})}
    base: dict[str, Any] = {
        "model": model, "variant": variant, "dataset": "sample", "task": "sentiment", "protocol": "standard",
        "streams": {"text": "text.words"}, "parts": parts, "train": TrainConfig(lr=lr),
    }  # fmt: skip
    return RunSpec(**(base | changed))


def record(seed: int, miss: float, of: RunSpec, fold: int | None = None, rows: int = ROWS, **changed: Any) -> tuple[Record, Predictions]:
    """A finished run whose predictions miss by ``miss`` on average, with a spread over seeds and rows of its own."""
    ids, videos, y = truth(rows)
    if fold is not None:
        ids, videos, y = ids[fold::2], videos[fold::2], y[fold::2]
    contents = {"data": "d" * 64}
    name = run_id(of, contents, seed, fold)
    draw = np.random.default_rng(int(name, 16))
    p = (y + miss * draw.normal(1, 0.03) * draw.choice((-1, 1), len(y)) * draw.uniform(0.8, 1.2, len(y))).astype(np.float32).astype(float)
    valid = [1.5, 1.2 + miss / 10, 1.3]
    track = Track(dataset=of.dataset, revision="r", task=of.task, protocol=of.protocol, streams=["text.words", "audio.covarep"])
    test = {k: None if np.isnan(v) else v for k, v in score_metrics(y, p).items()}
    history = [{"stage": "main", "epoch": e, "loss": {"task.l1": 2.0 - e / 2}, "mae": v} for e, v in enumerate(valid)]
    base: dict[str, Any] = {
        "run_id": name, "status": "done", "started": f"2026-11-2{seed % 9}T00:00:00+00:00", "spec": of, "seed": seed, "fold": fold,
        "space": SPACE, "track": track, "counts": {"train": 100, "valid": 20, "test": len(y)}, "contents": contents,
        "source_digest": "abcdef012345", "metrics": Metrics(valid={"mae": valid[1]}, test=test), "history": history, "best_epoch": 1,
        "cost": Cost(seconds=10 + seed, peak_bytes=1, parameters=1000 + len(of.model), trainable=1000),
        "provenance": {"device": "cpu", "threads": 1},
    }  # fmt: skip
    return Record(**(base | changed)), Predictions(ids, videos, y, p)


def put(
    store: Store, miss: float, of: RunSpec, seeds: range | list[int] = range(10), folds: tuple[int | None, ...] = (None,), **changed: Any
):
    """Runs of one spec into the store; their records."""
    made = []
    for seed in seeds:
        for fold in folds:
            one, predictions = record(seed, miss, of, fold, **changed)
            store.put(one, predictions)
            made.append(one)
    return made
