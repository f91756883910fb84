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

from merbench.analyses.transfer import as_it_is, finetuned, lines, pair, together
from merbench.api import RequestError, RunError, words_of
from merbench.api.events import WeightsLoaded
from merbench.bench.own_labels import corpus_of
from merbench.data.dataset_hash import revision
from merbench.data.dataset_overlap import shared, without
from merbench.data.joined_train_rows import joined
from merbench.engine.model.initial_weights import weights_of_run
from merbench.engine.plan.plan import Request
from merbench.engine.resolve import resolve
from merbench.engine.restore import plan_of, restore
from merbench.engine.rows.splits import Fold
from merbench.engine.training.evaluate import predict
from merbench.report.folder.names import folder_names
from merbench.results.spec import RunSpec, canonical, run_id
from merbench.runs import one_run
from merbench.runs.init_from import seen_by, start_from
from merbench.runs.run import run
from merbench.testing import tiny
from tests.tiny_runs import MACHINE, in_folds

SHORT = {"train.epochs": 2, "train.batch_size": 4}


def other(seed=5, **changes):
    """A second data set: other rows, its words numbered in another order, one of them new to the
    first.
    """
    corpus = tiny.corpus(size=36, seed=seed)
    streams = dict(corpus.streams)
    words = streams["text.words"]
    vocab = (*reversed(words.vocab), "joy")
    values = (len(words.vocab) - 1 - words.values).astype(np.int32)
    values[::7] = len(vocab) - 1
    streams["text.words"] = dataclasses.replace(words, values=values, vocab=vocab)
    videos = np.array([f"other-{v}" for v in corpus.videos])
    texts = np.array([f"{text} from somewhere else row {i}" for i, text in enumerate(corpus.texts)])
    return dataclasses.replace(
        corpus, **{"name": "other", "streams": streams, "videos": videos, "texts": texts, **changes}
    )


def renamed(corpus, name, **changes):
    """The same data as if it were another: nothing of it seems to be shared."""
    apart = {
        "videos": np.array([f"x{v}" for v in corpus.videos]),
        "texts": np.array([""] * len(corpus)),
    }
    return dataclasses.replace(corpus, name=name, **apart, **changes)


def narrow(corpus):
    stream = corpus.streams["audio.tiny"]
    return dataclasses.replace(stream, values=stream.values[:, :4])


def setting(catalog, model="late-fusion-dnn", target=None, **request):
    request = Request(model, settings={**SHORT, **request.pop("settings", {})}, **request)
    source, target = tiny.corpus(), target or other()
    return pair(request, source, target, catalog, None), request


def runner(store, seeds=(0, 1)):
    return lambda plan, corpus, some=seeds: run(plan, corpus, list(some), store, MACHINE)


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


@pytest.mark.parametrize("text", ["text.words", "text.transcript"])
def test_together_every_row_keeps_its_content_and_only_train_rows_are_added(catalog, text):
    setup, _ = setting(catalog, streams={"text": text})
    rows = setup.learn.protocol.splits[0].train
    both = joined(
        setup.target, "task", "standard", setup.use.streams, setup.source, rows, setup.learn.streams
    )
    split, own = both.protocols["standard"].splits[0], setup.target.protocols["standard"].splits[0]
    assert np.array_equal(split.test, own.test) and np.array_equal(split.valid, own.valid)
    assert len(split.train) == len(own.train) + len(rows) and len(set(both.ids)) == len(both)
    assert np.array_equal(
        both.tasks["task"].target[split.train[len(own.train) :]],
        setup.source.tasks["task"].target[rows],
    )
    for m, stream in setup.use.streams.items():
        made = both.streams[stream.name]
        assert content(made, 5) == content(stream, 5)
        assert [content(made, len(setup.target) + i) for i in range(len(rows))] == [
            content(setup.learn.streams[m], row) for row in rows
        ]


def test_together_epochs_are_chosen_by_the_metric_that_ranks_the_target(catalog):
    task = dataclasses.replace(other().tasks["task"], rank="corr")
    request = Request("late-fusion-dnn", settings=SHORT)
    setup = pair(request, tiny.corpus(), other(tasks={"task": task}), catalog, None)
    plans = []

    def plan(request, corpus):
        plans.append(resolve(request, catalog, corpus, None))

    together(setup, request, plan, lambda plan, corpus: [])
    assert plans[0].spec.train.select == setup.use.spec.train.select == "corr"


def content(stream, row):
    values = stream.values[stream.start[row] : stream.start[row] + stream.length[row]].tolist()
    return [stream.vocab[word] for word in values] if stream.kind == "words" else values


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


def test_only_streams_of_one_form_are_used_and_the_others_are_named(catalog):
    wide = other()
    streams = {
        **wide.streams,
        "audio.tiny": dataclasses.replace(
            wide.streams["audio.tiny"], values=wide.streams["audio.tiny"].values[:, :4]
        ),
    }
    setup, _ = setting(catalog, target=dataclasses.replace(wide, streams=streams))
    assert list(setup.learn.streams) == list(setup.use.streams) == ["text", "video"]
    assert any(
        "audio is left out" in note and "width 6" in note and "width 4" in note
        for note in setup.notes
    )


def test_data_sets_with_nothing_or_another_task_in_common_are_refused(catalog):
    with pytest.raises(RequestError, match="do not share the task"):
        setting(catalog, target=other(tasks=tiny.corpus("class", 36).tasks))
    target = other(streams={**other().streams, "audio.tiny": narrow(other())})
    with pytest.raises(RequestError, match="audio is left out"):
        setting(catalog, target=target, modalities=("audio",))


def test_what_both_share_is_kept_out_of_training_and_told(catalog):
    source, target = tiny.corpus(), other()
    test, valid = (
        target.protocols["standard"].splits[0].test,
        target.protocols["standard"].splits[0].valid,
    )
    videos, texts = target.videos.copy(), target.texts.astype(object)
    videos[test[0]] = source.videos[0]  # of three train rows
    long = "this very long sentence is said nowhere else"
    texts[valid[1]] = long.upper()
    said = source.texts.astype(object)
    said[13] = long
    said[5] = texts[test[2]] = "good film"  # too short to mean anything
    source = dataclasses.replace(source, texts=said.astype(str))
    target = dataclasses.replace(target, videos=videos, texts=texts.astype(str))
    setup = pair(Request("late-fusion-dnn"), source, target, catalog, None)
    left = np.concatenate(
        [getattr(setup.learn.protocol.splits[0], part) for part in ("train", "valid")]
    )
    assert set(range(18)) - set(left.tolist()) == {0, 1, 2, 13}
    assert any("3 by video, 1 by a text" in note for note in setup.notes)
    whole = resolve(Request("late-fusion-dnn"), catalog, source, None)
    assert setup.learn.contents["data"] != whole.contents["data"], "another run id"
    assert setup.learn.track.revision != whole.track.revision, "another track"
    assert any("3 by video" in note for note in setup.learn.notes), (
        "its records say what is left out"
    )
    track = setup.learn.track
    assert track.title.endswith(f"without rows shared with {target.name} standard")
    reduced = corpus_of({c.name: c for c in (source, target)}.__getitem__, track)
    assert revision(reduced, track.task, "standard", []) == track.revision, "anybody can make it"
    assert "-without-" in folder_names([track])[0]


def test_shared_is_what_brute_force_finds():
    draw = np.random.default_rng(0)

    def corpus(seed):
        texts = np.array(
            [" ".join(draw.choice(["a", "b"], draw.integers(3, 7))) for _ in range(60)]
        )
        return dataclasses.replace(
            tiny.corpus(size=60, seed=seed),
            texts=texts,
            videos=draw.choice([f"v{i}" for i in range(40)], 60),
        )

    a, b = corpus(0), corpus(1)
    rows, others = np.arange(0, 60, 2), np.arange(10, 50)
    by_video, by_text = shared(a, rows, b, others)
    for i in rows:
        video = any(a.videos[i] == b.videos[j] for j in others)
        same = any(
            words_of(a.texts[i]) == words_of(b.texts[j]) and len(words_of(a.texts[i])) >= 5
            for j in others
        )
        assert (i in by_video) == video and (i in by_text) == (same and not video)
    left = without(a, "standard", by_video).protocols["standard"].splits[0]
    assert not set(left.train) & set(by_video) and np.array_equal(
        left.test, a.protocols["standard"].splits[0].test
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
