"""Finished runs on new utterances."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from merbench.analyses.predict import apply
from merbench.analyses.trained import trained
from merbench.api import RunError
from merbench.data.folder.inputs import Inputs, read_inputs
from merbench.runs.run import run
from tests.tiny_runs import MACHINE

CPU = torch.device("cpu")


def predicted(plan, corpus, store, inputs, seeds=(0,)):
    records = run(plan, corpus, list(seeds), store, MACHINE)
    return apply(plan, trained(plan, corpus, records, store, MACHINE), inputs, CPU), records


@pytest.mark.parametrize("model", ["merclip", "mult", "text-only", "tfidf-ridge", "ridge"])
def test_the_test_rows_as_new_inputs_give_the_stored_predictions(make, store, model):
    plan, corpus = make(model, settings={} if model.endswith("ridge") else {"train.epochs": 1})
    rows = plan.protocol.splits[0].test
    cut = {
        name: dataclasses.replace(s, start=s.start[rows], length=s.length[rows])
        for name, s in corpus.streams.items()
        if s.kind != "strings"
    }
    inputs = Inputs(corpus.ids[rows].tolist(), [""] * len(rows), cut)
    applied, records = predicted(plan, corpus, store, inputs, (0, 1))
    for of_seed, record in zip(applied.prediction, records, strict=True):
        assert np.array_equal(of_seed, store.predictions(record.run_id).prediction)
    assert not applied.missing and set(applied.contribution) == set(plan.streams)
    assert (applied.shares is not None) == (model == "merclip")
    if applied.shares is not None:
        assert applied.shares.sum(-1) == pytest.approx(1)
        assert applied.shares @ np.array(applied.space.anchors) == pytest.approx(
            applied.prediction, abs=1e-5
        )


def test_a_sentence_reaches_a_model_of_three_modalities_and_what_it_lacks_is_named(make, store):
    plan, corpus = make("merclip")
    applied, _ = predicted(
        plan, corpus, store, read_inputs([], ["good good film", "bad boring film", "qwerty"])
    )
    assert applied.missing == ["audio", "video"] and list(applied.contribution) == ["text"]
    assert applied.prediction.shape == (1, 3) and np.ptp(applied.prediction) > 0
    assert applied.contribution["text"][0, 0] != 0


def test_a_text_without_a_known_word_is_not_seen_whatever_its_length_adds(make, store):
    plan, corpus = make("text-only", settings={"encoder.text": "word-bilstm"})
    found, _ = predicted(plan, corpus, store, read_inputs([], ["good film", "qwerty zzz", "a zzz"]))
    assert found.contribution["text"][0, 1] != 0  # zeros are not nothing to a network
    assert [row.get("text") for row in found.not_seen][:2] == [None, "no word of it is known"]
    first, second, third = found.unknown_words
    assert not first and second == ["qwerty", "zzz"] and "zzz" in third


def test_without_a_finished_run_nothing_is_predicted(make, store):
    plan, corpus = make("text-only", settings={"train.lr": 1e30})
    with pytest.raises(RunError, match="no run of text-only is finished"):
        predicted(plan, corpus, store, read_inputs([], ["good"]))


def test_words_that_are_only_counted_are_refused_by_a_fusion(make, store):
    plan, corpus = make("text-only", settings={"encoder.text": "word-ids"})
    (record,) = run(plan, corpus, [0], store, MACHINE)
    assert record.status == "failed" and "WordIds gives whole numbers" in record.error


def test_words_of_new_texts_that_training_never_saw_are_read_by_their_vectors(make, store):
    """The corpus knows ten words; ``joy`` is in the lexicon alone."""
    plan, corpus = make("text-only")
    applied, _ = predicted(plan, corpus, store, read_inputs([], ["joy", "qwerty"]))
    assert applied.prediction[0, 0] != applied.prediction[0, 1]


@pytest.mark.parametrize("kind", ["class", "multilabel"])
def test_labels_have_probabilities(make, store, kind):
    plan, corpus = make("merclip", kind=kind)
    applied, _ = predicted(plan, corpus, store, read_inputs([], ["good", "bad"]))
    assert applied.prediction.shape == applied.shares.shape == (1, 2, 6)
    assert np.allclose(applied.prediction, applied.shares)
    assert applied.contribution["text"].shape == (1, 2, 6)
