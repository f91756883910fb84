"""From one data set to another: which rows and streams of both are used."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from merbench.analyses.transfer import pair, together
from merbench.api import RequestError, words_of
from merbench.bench.own_labels import corpus_of
from merbench.data.dataset_hash import revision
from merbench.data.dataset_overlap import shared, without
from merbench.data.joined_train_rows import joined
from merbench.engine.plan.plan import Request
from merbench.engine.resolve import resolve
from merbench.report.folder.names import folder_names
from merbench.testing import tiny
from tests.analyses.two_sets import SHORT, narrow, other, setting


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
    assert both.protocols["standard"].streams == tuple(both.streams)
    for m, stream in setup.use.streams.items():
        made = both.streams[stream.name]
        assert content(made, 5) == content(stream, 5)
        assert [content(made, len(setup.target) + i) for i in range(len(rows))] == [
            content(setup.learn.streams[m], row) for row in rows
        ]


def test_together_what_is_not_known_stays_unknown_and_groups_stay_apart(catalog):
    setup, _ = setting(catalog)
    rows, n = np.array([3, 0, 5]), len(setup.target)
    known_there, known_here = np.arange(len(setup.source)) != 0, np.arange(n) != 1
    marks = np.arange(n) == 2

    def put(known_here, known_there):
        target, source = (
            dataclasses.replace(
                corpus,
                tasks={"task": dataclasses.replace(corpus.tasks["task"], known=known)},
                groups={"speaker": np.array(["Ann"] * len(corpus))},
            )
            for corpus, known in ((setup.target, known_here), (setup.source, known_there))
        )
        streams = {
            m: dataclasses.replace(stream, fitted_on=marks)
            for m, stream in setup.use.streams.items()
        }
        return joined(target, "task", "standard", streams, source, rows, setup.learn.streams)

    assert put(None, None).tasks["task"].known is None
    both = put(None, known_there)
    assert both.tasks["task"].known.tolist() == [True] * n + [True, False, True]
    assert put(known_here, None).tasks["task"].known.tolist() == [*known_here, True, True, True]
    assert put(known_here, known_there).tasks["task"].known.tolist() == [
        *known_here,
        *known_there[rows],
    ]
    assert not set(both.videos[:n]) & set(both.videos[n:])
    assert set(both.groups["speaker"][:n]) == {"Ann"} and "Ann" not in both.groups["speaker"][n:]
    assert both.texts.tolist()[n:] == setup.source.texts[rows].tolist()
    for stream in both.streams.values():
        assert stream.fitted_on.tolist() == [*marks, False, False, False]


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
