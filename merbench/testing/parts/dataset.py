"""Checks of data sets that a factory makes."""

from __future__ import annotations

import os
from functools import partial

from merbench.api import Component, Corpus, RequestError
from merbench.data.dataset_hash import revision
from merbench.data.home import data_homes
from merbench.data.soundness import faults
from merbench.engine.plan.datasets import load_made, open_dataset
from merbench.host.catalog import Catalog
from merbench.testing.parts.factory import default_factory
from merbench.testing.verdict import Skip


def loads_a_sound_corpus(catalog: Catalog, component: Component) -> None:
    if component.folder:
        raise Skip("read from a folder of the user's")
    factory, config = default_factory(catalog, component)
    corpus = load_made(factory(config), partial(_open_another, catalog))
    fault = next(faults(corpus), "")
    assert not fault, fault
    for name, protocol in corpus.protocols.items():
        for split in protocol.splits:
            assert min(len(split.train), len(split.valid), len(split.test)) > 0, (
                f"protocol {name}: an empty split"
            )
    second = load_made(factory(config), partial(_open_another, catalog))
    assert _revisions(corpus) == _revisions(second), (
        "loading twice gives other ids, targets, splits or streams; "
        "draw from a generator with a seed"
    )


def _revisions(corpus: Corpus) -> list[str]:
    """The content hash of each task and protocol, with all streams."""
    return [
        revision(corpus, task, protocol, list(corpus.streams))
        for task in corpus.tasks
        for protocol in corpus.protocols
    ]


def _open_another(catalog: Catalog, name: str) -> Corpus:
    """The data set that one wraps. What is not on this machine cannot be checked here."""
    try:
        return open_dataset(catalog, name, data_homes(None, os.environ))
    except RequestError as error:
        raise Skip(f"wraps a data set that does not open here: {error}") from error
