"""On the control set the harness can tell fusion from no fusion: text alone gets near the text
optimum, fusion well beyond it, and with one modality's rows shuffled that gain is gone.
"""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from merbench.data.labels.best_possible import best_scores
from merbench.engine.plan.plan import Request
from merbench.engine.resolve import resolve
from merbench.results.store.store import Store
from merbench.runs.run import run
from tests.tiny_runs import MACHINE

FUSION = "tfn"
SETTINGS = {"train.epochs": 8, "train.batch_size": 128, "train.lr": 4e-3}
"""By then fusion has left what text alone would bring; large batches are quick."""


@pytest.fixture(scope="module")
def sample(catalog):
    component = catalog.component("dataset", "sample")
    factory = catalog.load(component)
    return factory(factory.Config()).load()


@pytest.fixture(scope="module")
def best(sample):
    rows = sample.protocols["standard"].splits[0].test
    return {
        given: best_scores(sample, "sentiment", rows, given)["mae"].scored
        for given in ((), ("text",), ("text", "audio", "video"))
    }


@pytest.fixture(scope="module")
def reached(catalog, sample, tmp_path_factory):
    def mae(model: str, corpus) -> float:
        plan = resolve(Request(model, settings=SETTINGS), catalog, corpus, None)
        (record,) = run(plan, corpus, [0], Store(tmp_path_factory.mktemp("store")), MACHINE)
        return record.metrics.test["mae"]

    return mae


def shuffled(corpus, modality: str):
    """The rows of one modality belong to other utterances of the same split."""
    draw = np.random.default_rng(0)
    name = next(
        n for n in corpus.protocols["standard"].streams if corpus.streams[n].modality == modality
    )
    stream = corpus.streams[name]
    order = np.arange(len(corpus))
    (split,) = corpus.protocols["standard"].splits
    for rows in (split.train, split.valid, split.test):
        order[rows] = draw.permutation(rows)
    moved = dataclasses.replace(stream, start=stream.start[order], length=stream.length[order])
    return dataclasses.replace(corpus, streams={**corpus.streams, name: moved})


def test_text_alone_goes_at_least_60_percent_of_the_way_to_the_text_optimum(sample, best, reached):
    way = (best[()] - reached("text-only", sample)) / (best[()] - best["text",])
    assert way >= 0.6, f"{way:.0%}"


def test_fusion_goes_at_least_60_percent_of_the_way_from_the_text_optimum_to_the_full_one(
    sample, best, reached
):
    way = (best["text",] - reached(FUSION, sample)) / (
        best["text",] - best["text", "audio", "video"]
    )
    assert way >= 0.6, f"{way:.0%}"


def test_with_one_modality_shuffled_the_gain_of_fusion_is_gone(sample, best, reached):
    way = (best["text",] - reached(FUSION, shuffled(sample, "video"))) / (
        best["text",] - best["text", "audio", "video"]
    )
    assert way <= 0.1, f"{way:.0%}"
