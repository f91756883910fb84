from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from merbench.api import SENTIMENT, LabelSpace, Task, soft_targets
from merbench.data.dataset_hash import revision
from merbench.data.labels.counts import label_counts
from merbench.testing import tiny


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
