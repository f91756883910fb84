"""Runs that nobody trained: records with predictions that err by a known amount, for the tests and
benchmarks of boards.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from merbench.api import Corpus, LabelSpace, Protocol, Split, Stream, Task, TrainConfig
from merbench.data.dataset_hash import revision
from merbench.report.folder.write import unwritten, write
from merbench.results.metrics import BUILT_IN
from merbench.results.records.predictions import Predictions
from merbench.results.records.record import Cost, Metrics, Record, RecordedSpace, Track
from merbench.results.seeds import derive
from merbench.results.spec import PartSpec, RunSpec, run_id
from merbench.results.store.store import Store

VIDEOS, ROWS = 12, 60
SPACE = RecordedSpace(kind="score", words=[str(i) for i in range(-3, 4)])


def truth(rows: int = ROWS, videos: int = VIDEOS) -> tuple[list[str], list[str], np.ndarray]:
    """Ids, videos, targets: the same at each call."""
    of = [f"v{i % videos:03d}" for i in range(rows)]
    return (
        [f"{v}_{i}" for i, v in enumerate(of)],
        of,
        np.round(np.random.default_rng(0).uniform(-3, 3, rows), 1),
    )


@cache
def corpus() -> Corpus:
    """The data set of these runs: 100 train, 20 valid and the test rows, and two folds inside the
    test rows.
    """
    ids, _, y = truth()
    others = 120
    every = np.array([*(f"w{i % 24:03d}_{i}" for i in range(others)), *ids])
    target = np.concatenate([np.round(np.random.default_rng(1).uniform(-3, 3, others), 1), y])
    rows = np.arange(len(every))
    words = tuple(str(i) for i in range(-3, 4))
    space = LabelSpace(
        kind="score", words=words, glosses=words, anchors=tuple(float(w) for w in words)
    )
    streams = {
        "text.words": Stream.of_rows(
            "text.words", "text", "strings", np.array([f"row {i}" for i in rows])
        ),
        "audio.covarep": Stream.of_rows(
            "audio.covarep", "audio", "features", np.ones((len(rows), 2), dtype=np.float32)
        ),
    }
    train, valid, test = rows[:100], rows[100:120], rows[120:]
    protocols = {
        "standard": Protocol((Split(train, valid, test),), tuple(streams)),
        "folds": Protocol(
            tuple(Split(train, valid, test[k::2], fold=k) for k in (0, 1)), tuple(streams)
        ),
    }
    texts = np.array([f"text of {i}" for i in every])
    return Corpus(
        "sample",
        every,
        np.array([i.split("_")[0] for i in every]),
        texts,
        {"sentiment": Task(space, target)},
        streams,
        protocols,
    )


def content(protocol: str, streams: tuple[str, ...]) -> str:
    return revision(corpus(), "sentiment", protocol, streams)


def spec(model: str = "merclip", variant: str = "", lr: float = 1e-3, **changed: Any) -> RunSpec:
    parts = {
        "fusion": PartSpec(
            name="decoder", config={"width": changed.pop("width", 64), "order": ["text", "audio"]}
        )
    }
    base: dict[str, Any] = {
        "model": model, "variant": variant, "dataset": "sample", "task": "sentiment", "protocol": "standard",
        "streams": {"text": "text.words"}, "parts": parts, "train": TrainConfig(lr=lr, epochs=3),
    }  # fmt: skip
    return RunSpec(**(base | changed))


def record(
    seed: int, miss: float, of: RunSpec, fold: int | None = None, rows: int = ROWS, **changed: Any
) -> tuple[Record, Predictions]:
    """A finished run whose predictions miss by ``miss`` on average, with a spread over seeds and
    rows of its own.
    """
    ids, videos, y = truth(rows)
    if fold is not None:
        ids, videos, y = ids[fold::2], videos[fold::2], y[fold::2]
    contents = {"data": content(of.protocol, tuple(of.streams.values()))}
    name = run_id(of, contents, seed, fold)
    draw = np.random.default_rng(derive(seed, of.model, of.ablation, of.protocol, fold))
    p = (
        (
            y
            + miss
            * draw.normal(1, 0.03)
            * draw.choice((-1, 1), len(y))
            * draw.uniform(0.8, 1.2, len(y))
        )
        .astype(np.float32)
        .astype(float)
    )
    valid = [1.5, 1.2 + miss / 10, 1.3]
    seen = content(of.protocol, ())
    track = Track(
        dataset=of.dataset,
        revision=seen,
        task=of.task,
        protocol=of.protocol,
        streams=["text.words", "audio.covarep"],
    )
    test = BUILT_IN.of(SPACE.label_space()).evaluate(y.astype(np.float32), p)
    history = [
        {"stage": "main", "epoch": e, "loss": {"task.l1": 2.0 - e / 2}, "mae": v}
        for e, v in enumerate(valid)
    ]
    base: dict[str, Any] = {
        "run_id": name, "status": "done", "started": f"2026-11-2{seed % 9}T00:00:00+00:00", "spec": of, "seed": seed, "fold": fold,
        "space": SPACE, "track": track, "counts": {"train": 100, "valid": 20, "test": len(y)}, "contents": contents,
        "source_digest": "abcdef012345", "metrics": Metrics(valid=test | {"mae": valid[1]}, test=test), "history": history, "best_epoch": 1,
        "reads": ["train", "valid", "trained", "test"],
        "cost": Cost(seconds=10 + seed, peak_bytes=1, parameters=2000 + len(of.model), trainable=1000 + len(of.model)),
        "provenance": {"device": "cpu", "threads": 1},
    }  # fmt: skip
    return Record(**(base | changed)), Predictions(ids, videos, y, p)


def put(
    store: Store,
    miss: float,
    of: RunSpec,
    seeds: range | list[int] = range(10),
    those: tuple[int | None, ...] = (None,),
    **changed: Any,
):
    """Runs of one spec into the store; their records."""
    made = []
    for seed in seeds:
        for fold in those:
            one, predictions = record(seed, miss, of, fold, **changed)
            store.put(one, predictions)
            made.append(one)
    return made


def put_board(path, board, scores, source, extras=None, alone=False):
    """What ``build`` writes of a board, undrawn."""
    return write(unwritten(path, board, source), board, scores, extras or {}, alone)
