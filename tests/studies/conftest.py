"""A plan on a tiny corpus, and a store."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from merbench.api import Split
from merbench.engine.resolve import Request, resolve
from merbench.results.store import Store
from merbench.studies.run import Machine
from merbench.testing import tiny

MACHINE = Machine(torch.device("cpu"), 1)


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
