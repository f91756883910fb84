from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.preprocessing import StandardScaler

from merbench.api import SENTIMENT, LabelSpace, RequestError, Stream, Task, soft_targets, words_of
from merbench.data.folder import streams as module
from merbench.data.folder.read import read_folder
from merbench.data.folder.streams import (
    as_words,
    label_counts,
    leak_sentence,
    leaking_rows,
    revision,
    train_statistics,
    valid_steps,
)
from merbench.testing import tiny


def ragged(rows, **more):
    length = np.array([len(r) for r in rows])
    return Stream(
        "audio.x",
        "audio",
        "features",
        np.concatenate(rows),
        np.cumsum(length) - length,
        length,
        **more,
    )


def draw(seed=0, n=12, width=3):
    rng = np.random.default_rng(seed)
    return [
        rng.normal(size=(k, width)) * [1, 1e5, 1e-4][:width] + [0, 1e6, 3][:width]
        for k in rng.integers(0, 6, n)
    ]


@pytest.fixture(params=[2**21, 12], ids=["one block", "many blocks"])
def blocks(request, monkeypatch):
    monkeypatch.setattr(module, "_BLOCK", request.param)
    return request.param


def test_valid_steps_in_order_and_bounded(blocks):
    rows = draw()
    order = np.array([7, 0, 11, 3, 3])
    parts = list(valid_steps(ragged(rows), order))
    np.testing.assert_array_equal(np.concatenate(parts), np.concatenate([rows[i] for i in order]))
    longest = max(map(len, rows))
    assert max(map(len, parts)) <= blocks // 3 + longest
    assert len(next(iter(valid_steps(ragged(rows), np.array([], dtype=int))))) == 0


def test_statistics_equal_scikit_learn(blocks):
    rows = [r.astype(np.float32) for r in draw()]
    train = np.array([1, 4, 6, 7, 10])
    rows[1][-1, 1], rows[4][-1, 2] = np.nan, -np.inf
    assert len(rows[1]) and len(rows[4])
    statistics = train_statistics(ragged(rows), train)
    flat = np.concatenate([rows[i] for i in train]).astype(np.float64)
    reference = StandardScaler().fit(np.where(np.isfinite(flat), flat, np.nan))
    np.testing.assert_allclose(statistics.mean_D, reference.mean_, rtol=1e-6)
    np.testing.assert_allclose(statistics.scale_D, reference.scale_, rtol=1e-5)
    assert statistics.not_finite == 2 and statistics.steps == len(flat)
    assert statistics.mean_D.dtype == statistics.scale_D.dtype == np.float32


def test_statistics_see_train_rows_and_real_steps_only():
    rows = draw()
    train = np.array([2, 3, 8])
    before = train_statistics(ragged(rows), train)
    for i in set(range(12)) - set(train.tolist()):
        rows[i][:] = 1e9
    after = train_statistics(ragged(rows), train)
    np.testing.assert_array_equal(before.mean_D, after.mean_D)
    np.testing.assert_array_equal(before.scale_D, after.scale_D)


def test_dimensions_without_deviation_or_without_values():
    x = np.full((40, 4), np.nan)
    x[:, 0], x[0, 1], x[:, 2] = 0.1, 7.0, np.linspace(0, 1, 40)
    x[-1, 0] += 1e-8  # one unit in the last place of float32: rounding, not a deviation
    statistics = train_statistics(Stream.of_rows("audio.x", "audio", "features", x), np.arange(40))
    assert statistics.mean_D[[0, 1, 3]].tolist() == pytest.approx([0.1, 7.0, 0.0])
    assert statistics.scale_D[[0, 1, 3]].tolist() == [1, 1, 1] and statistics.scale_D[2] != 1
    assert statistics.not_finite == 39 + 40


def test_values_beyond_float32_are_not_finite():
    x = np.array([[1.0], [3.0], [1e300]])
    statistics = train_statistics(Stream.of_rows("audio.x", "audio", "features", x), np.arange(3))
    assert statistics == (2.0, 1.0, 1, 3)


def test_no_train_row():
    statistics = train_statistics(ragged(draw()), np.array([], dtype=int))
    assert (
        statistics.mean_D.tolist() == [0, 0, 0]
        and statistics.scale_D.tolist() == [1, 1, 1]
        and statistics.steps == 0
    )


def test_as_words():
    texts = np.array(["It DIDN’T work", "", "work, work!", "  it"])
    stream = Stream.of_rows("text.t", "text", "strings", texts, note="kept")
    words = as_words(stream)
    assert (
        words.kind == "words"
        and words.vocab == tuple(sorted(words.vocab))
        and words.values.dtype == np.int32
        and words.note == "kept"
    )
    cut = [
        [words.vocab[i] for i in words.values[s : s + n]]
        for s, n in zip(words.start, words.length, strict=True)
    ]
    assert cut == [words_of(t) for t in texts.tolist()] and words.length[1] == 0
    assert as_words(words) is words
    with pytest.raises(RequestError, match="holds no words"):
        as_words(ragged(draw()))


@given(st.lists(st.tuples(st.floats(-3.5, 3.5), st.booleans()), min_size=1, max_size=12))
def test_counts_of_a_score_equal_the_soft_targets(rows):
    y, known = np.array([r[0] for r in rows], dtype=np.float32), np.array([r[1] for r in rows])
    counts = label_counts(Task(SENTIMENT, y, known), np.arange(len(y)))
    soft = soft_targets(
        torch.tensor(y[known], dtype=torch.float64),
        torch.tensor(SENTIMENT.anchors, dtype=torch.float64),
    ).numpy()
    np.testing.assert_allclose(counts.positive_C, soft.sum(0), atol=1e-6)
    np.testing.assert_allclose(counts.together_CC, soft.T @ soft, atol=1e-6)
    assert counts.known_C.tolist() == [known.sum()] * 7
    assert counts.median == (pytest.approx(float(np.median(y[known]))) if known.any() else 0.0)


def test_counts_of_two_tasks_are_those_of_each_alone_and_what_goes_together():
    corpus = tiny.corpus("joint")
    task, train = corpus.tasks["task"], corpus.protocols["standard"].splits[0].train
    y, known = task.target, task.known
    score, labels = (
        Task(tiny.SPACES["score"], y[:, 0], known[:, 0]),
        Task(tiny.EMOTIONS, y[:, 1:], known[:, 1:]),
    )
    both, alone = label_counts(task, train), [label_counts(t, train) for t in (score, labels)]
    for name in ("known_C", "positive_C"):
        assert getattr(both, name).tolist() == [
            v for counts in alone for v in getattr(counts, name).tolist()
        ]
    assert np.allclose(both.together_CC[:7, :7], alone[0].together_CC) and np.array_equal(
        both.together_CC[7:, 7:], alone[1].together_CC
    )
    assert both.median == alone[0].median != 0
    share = soft_targets(
        torch.tensor(y[train, 0]), torch.tensor(tiny.SPACES["score"].anchors)
    ).numpy()
    by_hand = sum(share[i, :, None] * y[r, None, 1:] for i, r in enumerate(train) if known[r].all())
    np.testing.assert_allclose(both.together_CC[:7, 7:], by_hand, atol=1e-5)


def test_a_score_and_a_multilabel_task_of_one_data_set_are_offered_at_once():
    y = tiny.corpus("joint").tasks["task"].target
    known = np.arange(24) % 5 > 0
    tasks = {
        "mood": tiny.corpus("class").tasks["task"],
        "sentiment": Task(tiny.SPACES["score"], y[:, 0].astype(np.float64), known),
        "emotions": Task(tiny.EMOTIONS, y[:, 1:]),
    }
    corpus = replace(tiny.corpus(), tasks=tasks)
    assert list(corpus.offered) == ["mood", "sentiment", "emotions", "sentiment+emotions"]
    both = corpus.offered["sentiment+emotions"]
    assert both.space == tiny.JOINT and np.array_equal(both.target, y)
    assert np.array_equal(both.known[:, 0], known) and both.known[:, 1:].all()
    assert replace(corpus, tasks={"sentiment": tasks["sentiment"]}).offered == {
        "sentiment": tasks["sentiment"]
    }
    names = {revision(corpus, name, "standard", []) for name in corpus.offered}
    assert len(names) == 4
    less = replace(tiny.EMOTIONS, words=(*tiny.EMOTIONS.words[:-1], "dread"))
    other = replace(corpus, tasks=tasks | {"emotions": Task(less, y[:, 1:])})
    assert revision(other, "sentiment+emotions", "standard", []) not in names


def test_counts_of_classes_and_labels():
    space = LabelSpace("class", ("a", "b", "c"), ("a", "b", "c"))
    target, known = np.array([0, 1, 1, 2, 2, 2]), np.array([1, 1, 1, 1, 0, 1], dtype=bool)
    train = np.array([0, 1, 2, 4])
    counts = label_counts(Task(space, target, known), train)
    seen = Counter(target[i] for i in train if known[i])
    assert (
        counts.positive_C.tolist()
        == [seen[c] for c in range(3)]
        == np.diag(counts.together_CC).tolist()
    )
    assert counts.known_C.tolist() == [3, 3, 3] and counts.together_CC.sum() == 3

    rng = np.random.default_rng(0)
    target, known = (rng.random((9, 3)) < 0.5).astype(np.float32), rng.random((9, 3)) < 0.7
    counts = label_counts(
        Task(LabelSpace("multilabel", space.words, space.glosses), target, known), np.arange(1, 9)
    )
    for i in range(3):
        assert counts.known_C[i] == sum(known[r, i] for r in range(1, 9))
        for j in range(3):
            both = sum(target[r, i] * known[r, i] * target[r, j] * known[r, j] for r in range(1, 9))
            assert counts.together_CC[i, j] == both and (i != j or counts.positive_C[i] == both)
            given = sum(target[r, i] * known[r, i] * known[r, j] for r in range(1, 9))
            assert counts.positive_known_CC[i, j] == given


def test_leaks(folder):
    corpus = read_folder(folder.path)
    one = corpus.streams["audio.one"]  # fitted on a_2, a_3, b_x_2, b_x_3, c_3
    (split,) = corpus.protocols["standard"].splits
    assert leaking_rows(one, split.test) == 0 and leaking_rows(one, split.valid) == 2
    sentence = leak_sentence(one, corpus, "standard", split)
    for part in (
        "'audio.one'",
        "2 of the 2 valid rows",
        "'standard'",
        "--allow-leak",
        "leave the stream out",
    ):
        assert part in sentence
    # The folds leak too, so they are no way out; a protocol that evaluates other rows is.
    assert "'folds'" not in sentence
    clean = replace(split, train=split.valid, valid=split.train[:1], test=split.test)
    corpus = replace(
        corpus,
        protocols=corpus.protocols
        | {"clean": replace(corpus.protocols["standard"], splits=(clean,))},
    )
    assert "use the protocol 'clean'" in leak_sentence(one, corpus, "standard", split)
    assert leak_sentence(one, corpus, "clean", clean) == ""
    assert leak_sentence(corpus.streams["audio.right"], corpus, "standard", split) == ""
    fold = corpus.protocols["folds"].splits[0]
    assert (
        "2 of the 3 valid rows and 2 of the 3 test rows of protocol 'folds', fold 0"
        in leak_sentence(one, corpus, "folds", fold)
    )


USED = ["text.words", "audio.right", "video.ragged", "text.transcript", "video.clip", "audio.one"]


def hashed(folder, protocol="standard", streams=USED, task="sentiment"):
    return revision(read_folder(folder.path), task, protocol, streams)


def test_revision_does_not_see_the_order_of_files_streams_or_words(folder):
    before = hashed(folder)
    header, *lines = (folder.path / "label.csv").read_text().splitlines()
    folder.csv("\n".join([header, *reversed(lines)]))
    assert hashed(folder) == before == hashed(folder, streams=USED[::-1])
    folder.words["vocab"] = np.array(["bad", "sp", "unused", "good"])
    folder.words["word"] = np.array([1, 3, 0])[folder.words["word"]]
    folder.save()
    assert hashed(folder) == before


def test_revision_sees_blocks_as_one(folder, monkeypatch):
    before = hashed(folder)
    monkeypatch.setattr(module, "_BLOCK", 4)
    assert hashed(folder) == before


CHANGES = {
    "label": lambda f: f.line(2, "a,1,It was good,1.6,happy,1,0,train"),
    "known": lambda f: f.line(7, "b,x_3,fine,,happy,0,0,valid"),
    "mode": lambda f: f.line(2, "a,1,It was good,1.5,happy,1,0,valid"),
    "text": lambda f: f.line(2, "a,1,It was goof,1.5,happy,1,0,train"),
    "word": lambda f: f.words["word"].__setitem__(3, (f.words["word"][3] + 1) % 3),
    "time": lambda f: f.words["end"].__setitem__(3, 99),
    "value": lambda f: f.arrays["ragged"].__setitem__((2, 1), 9),
    "fitted on": lambda f: f.edit("values = [1, 2]", "values = [1]"),
    "clip": lambda f: (f.path / "Raw/b/x_2.mp4").write_bytes(b"another"),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_revision_sees_each_change(folder, change):
    before = hashed(folder)
    change(folder)
    folder.save()
    assert hashed(folder) != before


def test_revision_sees_only_what_is_used(folder):
    before = hashed(folder, streams=["text.words"])
    folder.arrays["ragged"][0] = 5
    folder.arrays["fold"] = np.roll(folder.arrays["fold"], 3)
    folder.save()
    assert (
        hashed(folder, streams=["text.words"])
        == before
        != hashed(folder, streams=["text.words", "audio.one"])
    )
    # Padding is nobody's content.
    right = hashed(folder, streams=["audio.right"])
    folder.arrays["block"] = np.nan_to_num(folder.arrays["block"], nan=-1)
    folder.save()
    assert hashed(folder, streams=["audio.right"]) == right
    assert (
        len(
            {
                hashed(folder, streams=[], task=t, protocol=p)
                for t in ("sentiment", "mood")
                for p in ("standard", "folds")
            }
        )
        == 4
    )
