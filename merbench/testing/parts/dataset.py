"""Checks of data sets that a factory makes."""

from __future__ import annotations

import os
from functools import partial

import numpy as np

from merbench.api import Component, Corpus, RequestError
from merbench.data.home import data_homes
from merbench.engine.plan.datasets import load_made, open_dataset
from merbench.host.catalog import Catalog
from merbench.testing.parts.factory import default_factory
from merbench.testing.verdict import Skip


def loads_a_sound_corpus(catalog: Catalog, component: Component) -> None:
    if component.folder:
        raise Skip("read from a folder of the user's")
    factory, config = default_factory(catalog, component)
    corpus = load_made(factory(config), partial(_open_another, catalog))
    size = len(corpus)
    assert len(set(corpus.ids.tolist())) == size, "ids are not unique"
    for name, task in corpus.tasks.items():
        assert len(task.target) == size and np.isfinite(task.target).all(), (
            f"task {name}: targets are not {size} finite values"
        )
    for stream in corpus.streams.values():
        end = stream.start + stream.length
        assert (
            len(end) == size
            and (stream.length >= 0).all()
            and (end[stream.length > 0] <= len(stream.values)).all()
        ), f"stream {stream.name} points beyond its values"
    for name, protocol in corpus.protocols.items():
        assert set(protocol.streams) <= set(corpus.streams), (
            f"protocol {name} offers a stream that is not there"
        )
        for split in protocol.splits:
            rows = np.concatenate([split.train, split.valid, split.test])
            assert len(set(rows.tolist())) == len(rows), (
                f"protocol {name}: a row stands in two splits"
            )
            assert min(len(split.train), len(split.valid), len(split.test)) > 0, (
                f"protocol {name}: an empty split"
            )
    second = load_made(factory(config), partial(_open_another, catalog))
    assert all(
        np.array_equal(second.streams[n].values, s.values) for n, s in corpus.streams.items()
    ), "loading twice gives other values"


def _open_another(catalog: Catalog, name: str) -> Corpus:
    """The data set that one wraps. What is not on this machine cannot be checked here."""
    try:
        return open_dataset(catalog, name, data_homes(None, os.environ))
    except RequestError as error:
        raise Skip(f"wraps a data set that does not open here: {error}") from error
