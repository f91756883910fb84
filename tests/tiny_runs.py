"""A plan on a tiny corpus, and a store."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from merbench.api import Split
from merbench.engine.plan.plan import Request
from merbench.engine.resolve import resolve
from merbench.results.store.store import Store
from merbench.runs.run import Machine
from merbench.testing import tiny

MACHINE = Machine(torch.device("cpu"), 1)
SAMPLE = "sample:test=90,train=200,valid=60"
"""The control set with fewer rows, where what is tested is not how well a model learns."""


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "store")


def in_folds(corpus, count: int = 3):
    """The same corpus with a protocol of folds beside the standard one."""
    rows = np.arange(len(corpus))
    splits = tuple(
        Split(
            rows[(rows % count != k) & (rows % count != (k + 1) % count)],
            rows[rows % count == (k + 1) % count],
            rows[rows % count == k],
            fold=k,
        )
        for k in range(count)
    )
    protocol = dataclasses.replace(corpus.protocols["standard"], splits=splits)
    return dataclasses.replace(corpus, protocols={**corpus.protocols, "folds": protocol})


@pytest.fixture
def make(catalog):
    def make(model: str = "late-fusion-dnn", kind="score", **request):
        corpus = in_folds(tiny.corpus(kind))
        settings = {"train.epochs": 2, "train.batch_size": 4, **request.pop("settings", {})}
        return resolve(Request(model, settings=settings, **request), catalog, corpus, None), corpus

    return make


TOML = """
name = "tiny"
task.sentiment = { column = "label", kind = "score", low = -3, high = 3 }
[streams."audio.x"]
modality = "audio"
kind = "features"
file = "x.npz"
array = "audio"
[streams."video.x"]
modality = "video"
kind = "features"
file = "x.npz"
array = "video"
[protocols.standard]
column = "mode"
streams = ["audio.x", "video.x"]
[protocols.other]
column = "other"
streams = ["audio.x", "video.x"]
[protocols.folds]
file = "x.npz"
array = "fold"
streams = ["audio.x"]
"""


@pytest.fixture
def home(tmp_path):
    return write_home(tmp_path)


def write_home(work: Path) -> Path:
    """A data home, ``work/data``, with the feature folder ``tiny``: 24 rows, a standard split with
    two modalities and three folds with one.
    """
    rows, draw = range(24), np.random.default_rng(0)
    mode = ("train", "train", "valid", "test") * 3
    lines = [
        f"v{i // 2},{i % 2},,{draw.uniform(-3, 3):.2f},{mode[i // 2]},{mode[11 - i // 2]}"
        for i in rows
    ]
    folder = work / "data/tiny"
    folder.mkdir(parents=True)
    (folder / "dataset.toml").write_text(TOML)
    (folder / "label.csv").write_text("\n".join(("video_id,clip_id,text,label,mode,other", *lines)))
    ids = np.array([f"v{i // 2}_{i % 2}" for i in rows])
    streams = {"audio": draw.normal(size=(24, 6)), "video": draw.normal(size=(24, 4))}
    np.savez(
        folder / "x.npz",
        id=ids,
        fold=np.arange(24) // 2 % 3,
        **{k: v.astype(np.float32) for k, v in streams.items()},
    )
    return folder.parent


STUDY = """
models = ["late-fusion-dnn", "lmf", "tfn"]
seeds = 3
floors = false
settings.train = { epochs = 2, batch_size = 4 }
[[tracks]]
dataset = "tiny"
[[tracks]]
dataset = "tiny"
protocol = "folds"
streams = { video = "video.x" }
"""
