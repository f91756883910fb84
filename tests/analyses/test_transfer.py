"""From one data set to another: what is carried over, what may not be, and words that the source
never saw.
"""

from __future__ import annotations

import dataclasses
import re
from hashlib import sha256

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from sklearn.metrics import mean_absolute_error

from merbench.analyses.transfer import as_it_is, finetuned, lines, together
from merbench.api import RequestError, RunError
from merbench.api.events import WeightsLoaded
from merbench.engine.model.initial_weights import weights_of_run
from merbench.engine.plan.plan import Request
from merbench.engine.resolve import resolve
from merbench.engine.restore import plan_of, restore
from merbench.engine.rows.splits import Fold
from merbench.engine.training.evaluate import predict
from merbench.results.spec import RunSpec, canonical, run_id
from merbench.runs import one_run
from merbench.runs.init_from import seen_by, start_from
from merbench.runs.run import run
from merbench.testing import tiny
from tests.analyses.two_sets import SHORT, other, renamed, runner, setting
from tests.tiny_runs import MACHINE, in_folds


def test_a_target_like_the_source_gives_the_stored_predictions(catalog, store):
    """The same data under another name: every row in the same place, so transfer must be what the
    run itself predicted.
    """
    twin = renamed(tiny.corpus(), "twin")
    setup, _ = setting(catalog, "merclip", twin)
    scored = as_it_is(setup, runner(store), store, MACHINE)
    for record in run(setup.learn, setup.source, [0, 1], store, MACHINE):
        assert np.array_equal(
            scored[record.seed].rows.prediction, store.predictions(record.run_id).prediction
        )


@pytest.mark.parametrize("settings", [{}, {"encoder.text.tuned": True}])
def test_words_keep_their_vectors_across_vocabularies(catalog, store, settings):
    """The same sentences under another numbering of the words are predicted alike."""
    source = tiny.corpus()
    words = source.streams["text.words"]
    order = np.random.default_rng(0).permutation(len(words.vocab))
    again = dataclasses.replace(
        words,
        vocab=tuple(words.vocab[i] for i in order),
        values=np.argsort(order)[words.values].astype(np.int32),
    )
    target = renamed(source, "turned", streams={**source.streams, "text.words": again})
    setup, request = setting(catalog, "text-only", target, settings=settings)
    for record in run(setup.learn, setup.source, [0], store, MACHINE):
        transferred = as_it_is(setup, runner(store, [0]), store, MACHINE)[0].rows.prediction
        assert np.array_equal(transferred, store.predictions(record.run_id).prediction)
    still = dataclasses.replace(
        request,
        settings={
            **request.settings,
            "train.lr": 1e-12,
            "train.weight_decay": 0.0,
            "train.epochs": 1,
        },
    )
    make = runner(store, [0])
    (tuned,) = finetuned(
        setup,
        make(setup.learn, setup.source),
        still,
        lambda r: resolve(r, catalog, target, None),
        make,
        store,
    )
    again = store.predictions(tuned.run_id).prediction
    assert np.allclose(again, transferred, atol=1e-5), (
        "training that does nothing continues from the same function"
    )


def test_a_finetuned_run_comes_back_and_names_its_start(catalog, store):
    setup, request = setting(catalog, "text-only", settings={"encoder.text.tuned": True})
    make = runner(store)
    _, record = finetuned(
        setup,
        make(setup.learn, setup.source),
        request,
        lambda r: resolve(r, catalog, setup.target, None),
        make,
        store,
    )
    assert record.track.pretrained["initial weights"] == record.spec.init_from
    plan = plan_of(
        RunSpec.model_validate_json(record.spec.model_dump_json()), catalog, setup.target, None
    )
    assert run_id(plan.spec, plan.contents, 1, None) == record.run_id
    fold = Fold(plan.streams, plan.task, plan.protocol.splits[0], plan.lexicon)
    problem = restore(plan, fold, 1, store.weights(record.run_id), MACHINE.device)
    for part, stored in (("test", store.predictions(record.run_id).prediction), ("valid", None)):
        predicted = predict(
            problem.model, fold.data(part, problem.encoders, MACHINE.device), fold.space
        )
        if stored is not None:
            assert np.array_equal(predicted, stored)
        else:
            assert mean_absolute_error(
                plan.task.target[fold.rows("valid")], predicted
            ) == pytest.approx(record.metrics.valid["mae"])
    assert np.array_equal(predict(problem.model, problem.valid, fold.space), predicted), (
        "the rows that restore() prepared have the same words"
    )


@pytest.mark.parametrize("modalities", [("text",), None])
def test_from_a_set_without_audio_and_video_all_that_fits_is_taken_over(catalog, store, modalities):
    """Nothing is learned, so that what was taken over is seen in the weights of the runs."""
    still = {**SHORT, "train.lr": 1e-12, "train.weight_decay": 0.0, "train.epochs": 1}
    source = resolve(
        Request("merclip", settings=SHORT, modalities=("text",)), catalog, tiny.corpus(), None
    )
    (before,) = run(source, tiny.corpus(), [0], store, MACHINE)
    start, sentences = start_from(store, before, [0]), []
    target = resolve(
        Request("merclip", settings=still, modalities=modalities, start=start),
        catalog,
        other(),
        None,
    )
    (after,) = run(
        target,
        other(),
        [0],
        store,
        MACHINE,
        watch=lambda event: sentences.append(event) if isinstance(event, WeightsLoaded) else None,
    )
    old, new = (load_file(store.weights(r.run_id)) for r in (before, after))
    alone = [name for name in new if name not in old]
    same = [
        name
        for name in new
        if name in old and torch.allclose(new[name].float(), old[name].float(), atol=1e-6)
    ]
    if modalities:
        assert len(same) == len(new) and after.notes == [] == sentences
    else:
        assert (
            len(same) + len(alone) == len(new)
            and same
            and {name.split(".")[0] for name in alone} == {"encoders", "fusion"}
        )
        assert after.notes == [sentences[0].sentence]
        assert re.match(
            r"30 of 108 trained tensors were loaded from --init-from; initialised as usual: encoders.audio, encoders.video, ",
            after.notes[0],
        )


def test_weights_of_another_shape_are_named_and_where_none_fits_it_is_refused(catalog, store):
    (before,) = run(
        resolve(Request("lmf", settings=SHORT), catalog, tiny.corpus(), None),
        tiny.corpus(),
        [0],
        store,
        MACHINE,
    )
    start = start_from(store, before, [0])

    def make(model, **more):
        return resolve(
            Request(model, settings={**SHORT, **more}, start=start), catalog, other(), None
        )

    (after,) = run(make("lmf", **{"fusion.width": 32}), other(), [0], store, MACHINE)
    other_shape = "fusion.bias_D, fusion.factors, head.last.weight"
    assert (
        f"; initialised as usual: {other_shape}; ignored from the start weights: {other_shape}"
        in after.notes[0]
    )
    with pytest.raises(
        RequestError,
        match="none of the weights to start from has a place in this model, by its name and shape",
    ):
        run(make("mult"), other(), [0], store, MACHINE)


TRAIN_ADDED_SINCE = {
    "stack",
    "decay_factors",
    "betas",
    "eps",
    "power",
    "clip_value",
    "objective_schedules",
    "by_length",
}
"""Train settings that the first published runs did not know."""


def test_a_spec_without_a_start_keeps_its_run_id(make):
    plan, _ = make()
    assert "init_from" in plan.spec.model_dump()
    fields = dict.fromkeys(("init_from", "labels", "missing", "views"), True)
    added_since = {**fields, "train": TRAIN_ADDED_SINCE}
    old = plan.spec.model_dump(mode="json", exclude=added_since, by_alias=True)
    identity = {"spec": old, "contents": {"data": "x"}, "seed": 0, "fold": None}
    assert (
        run_id(plan.spec, {"data": "x"}, 0, None)
        == sha256(canonical(identity).encode()).hexdigest()[:16]
    )


def test_every_pair_is_compared_with_the_target_alone(catalog, store):
    folded = in_folds(other())
    setup, request = setting(catalog, target=folded, protocol=None)
    make = runner(store)

    def tune(p, before):
        return finetuned(
            p, before, request, lambda r: resolve(r, catalog, p.target, None), make, store
        )

    both = lambda p: together(p, request, lambda r, c: resolve(r, catalog, c, None), make)  # noqa: E731
    further = {
        "finetuned": lambda p: tune(p, make(p.learn, p.source)),
        "together": both,
        "both": lambda p: tune(p, both(p)),
    }
    compared = lines([setup], make, store, MACHINE, further)
    ways = [
        "tiny → other",
        "tiny → other, finetuned",
        "tiny → other, together",
        "tiny → other, both",
    ]
    assert [line.name for line in compared] == ["other alone (text + audio + video)", *ways]
    assert all(line.against == compared[0].name for line in compared[1:])
    ids = [line.scored[0].rows.ids for line in compared]
    assert all(mine == ids[0] for mine in ids)


def test_a_fold_goes_on_from_the_fold_that_did_not_see_its_test_rows(catalog, store):
    folded = in_folds(other())
    folded = dataclasses.replace(folded, protocols={"standard": folded.protocols["folds"]})
    setup, request = setting(catalog, "text-only", folded)
    make = runner(store, [0])
    before = together(setup, request, lambda r, c: resolve(r, catalog, c, None), make)
    still = dataclasses.replace(
        request,
        settings={
            **request.settings,
            "train.lr": 1e-12,
            "train.weight_decay": 0.0,
            "train.epochs": 1,
        },
    )
    after = finetuned(
        setup, before, still, lambda r: resolve(r, catalog, setup.target, None), make, store
    )
    assert [r.fold for r in after] == [r.fold for r in before] == [0, 1, 2]
    for mine, start in zip(after, before, strict=True):
        made, begun = (store.predictions(r.run_id) for r in (mine, start))
        assert np.allclose(made.prediction, begun.prediction, atol=1e-5)


def test_weights_of_folds_start_no_run_that_has_none(make, store):
    plan, corpus = make("text-only", protocol="folds")
    (first, *_) = run(plan, corpus, [0], store, MACHINE)
    start = start_from(store, first, [0])
    for fold, sentence in ((None, "this run has none"), (7, "there is no fold 7 among them")):
        with pytest.raises(RequestError, match=f"start seed 0 from are of folds, and {sentence}"):
            weights_of_run(start, 0, fold)
    with pytest.raises(RequestError, match=r"seeds with weights: 0\)"):
        weights_of_run(start, 1, 0)


def test_a_model_in_closed_form_has_a_reason_in_place_of_finetuning(catalog, store):
    setup, request = setting(catalog, "ridge", settings={})
    with pytest.raises(RequestError, match="closed form"):
        make = runner(store, [0])
        finetuned(
            setup,
            make(setup.learn, setup.source),
            request,
            lambda r: resolve(r, catalog, setup.target, None),
            make,
            store,
        )


def test_a_closed_form_that_can_goes_on_from_the_source(catalog, store):
    setup, request = setting(catalog, "tfidf-ridge", settings={})
    make = runner(store, [0])
    (before,) = make(setup.learn, setup.source)
    (after,) = finetuned(
        setup, [before], request, lambda r: resolve(r, catalog, setup.target, None), make, store
    )
    kept, begun = (load_file(store.weights(r.run_id)) for r in (after, before))
    assert after.status == "done", after.error
    assert torch.equal(kept["key_G"], begun["key_G"]) and not torch.equal(
        kept["weight_GC"], begun["weight_GC"]
    )


def test_a_seed_that_failed_on_the_source_takes_no_other_with_it(catalog, store, monkeypatch):
    setup, request = setting(catalog)
    learned = one_run.learn

    def learn(plan, problem, fold, seed, *more):
        if seed == 1:
            raise RunError("it diverged")
        return learned(plan, problem, fold, seed, *more)

    monkeypatch.setattr(one_run, "learn", learn)
    make = runner(store, [0, 1, 2])
    before = make(setup.learn, setup.source)
    assert [r.status for r in before] == ["done", "failed", "done"]
    plan = lambda r: resolve(r, catalog, setup.target, None)  # noqa: E731
    after = finetuned(setup, before, request, plan, make, store)
    assert [(r.seed, r.status) for r in after] == [(0, "done"), (2, "done")]


def test_what_the_first_weights_had_seen_marks_what_is_trained_on_top(catalog, store):
    """Weights that saw test rows of the target go through the source's training to the target."""
    third = renamed(other(seed=7), "third")
    split, seen_rows = (
        third.protocols["standard"].splits[0],
        other().protocols["standard"].splits[0],
    )
    videos = third.videos.copy()
    videos[split.train[0]] = other().videos[seen_rows.test[0]]
    third = dataclasses.replace(third, videos=videos)
    make = runner(store, [0])
    (first,) = make(resolve(Request("text-only", settings=SHORT), catalog, third, None), third)
    start = start_from(store, first, [0], seen_by(store, first, {"third": third}.get))
    setup, request = setting(catalog, "text-only", start=start, allow_leak=True)
    plan = lambda r: resolve(r, catalog, setup.target, None)  # noqa: E731
    before = make(setup.learn, setup.source)
    after = finetuned(setup, before, request, plan, make, store)
    assert [r.track.leaks for r in (*before, *after)] == [[], ["initial weights"]]


def test_a_seed_without_weights_to_start_from_is_named(make, store):
    plan, corpus = make()
    (record,) = run(plan, corpus, [0], store, MACHINE)
    with pytest.raises(RequestError, match="for seed 1"):
        start_from(store, record, [0, 1])
