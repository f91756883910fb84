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
    found, records = predicted(plan, corpus, store, inputs, (0, 1))
    for made, record in zip(found.prediction, records, strict=True):
        assert np.array_equal(made, store.predictions(record.run_id).prediction)
    assert not found.missing and set(found.contribution) == set(plan.streams)
    assert (found.shares is not None) == (model == "merclip")
    if found.shares is not None:
        assert found.shares.sum(-1) == pytest.approx(1)
        assert found.shares @ np.array(found.space.anchors) == pytest.approx(
            found.prediction, abs=1e-5
        )


def test_a_sentence_reaches_a_model_of_three_modalities_and_what_it_lacks_is_named(make, store):
    plan, corpus = make("merclip")
    found, _ = predicted(
        plan, corpus, store, read_inputs([], ["good good film", "bad boring film", "qwerty"])
    )
    assert found.missing == ["audio", "video"] and list(found.contribution) == ["text"]
    assert found.prediction.shape == (1, 3) and np.ptp(found.prediction) > 0
    assert found.contribution["text"][0, 0] != 0


def test_a_text_without_a_known_word_is_not_seen_whatever_its_length_adds(make, store):
    plan, corpus = make("text-only", settings={"encoder.text": "word-bilstm"})
    found, _ = predicted(plan, corpus, store, read_inputs([], ["good film", "qwerty zzz", "a zzz"]))
    assert found.contribution["text"][0, 1] != 0  # zeros are not nothing to a network
    assert [row.get("text") for row in found.not_seen][:2] == [None, "no word of it is known"]


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
    found, _ = predicted(plan, corpus, store, read_inputs([], ["joy", "qwerty"]))
    assert found.prediction[0, 0] != found.prediction[0, 1]


@pytest.mark.parametrize("kind", ["class", "multilabel"])
def test_labels_have_probabilities(make, store, kind):
    plan, corpus = make("merclip", kind=kind)
    found, _ = predicted(plan, corpus, store, read_inputs([], ["good", "bad"]))
    assert found.prediction.shape == found.shares.shape == (1, 2, 6)
    assert np.allclose(found.prediction, found.shares)
    assert found.contribution["text"].shape == (1, 2, 6)
