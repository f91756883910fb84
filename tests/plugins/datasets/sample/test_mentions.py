"""The task `mentions` of the control set: its law against enumeration, and that each step is about
one label alone.
"""

import numpy as np
import pytest
from scipy import stats

from merbench.api import check_label_vectors, label_texts
from merbench.data.labels.best_possible import best_scores, subsets
from merbench_datasets.sample.data_set import Sample
from merbench_datasets.sample.emotions import LABELS, SETS_KC, WORDS, set_law
from merbench_datasets.sample.mentions import AFFIRMED, DENIED, VALUE

ALL = ("text", "audio", "video")


@pytest.fixture(scope="module")
def small():
    rates = {"missing_text": 0.2, "missing_audio": 0.3, "missing_video": 0.3}
    return Sample(Sample.Config(train=12, valid=2, test=2, **rates)).load()


@pytest.fixture(scope="module")
def large():
    return Sample(Sample.Config(train=1, valid=1, test=4_000, seed=5)).load()


def steps(stream, i):
    return stream.values[stream.start[i] : stream.start[i] + stream.length[i]]


def likelihood(corpus, i, label, present, modalities):
    """Of all that a row shows of one label, step by step."""
    p = 1.0
    words = corpus.streams["text.mentions"]
    for number in steps(words, i) if "text" in modalities else ():
        word = words.vocab[number]
        if word in WORDS[label].split():
            p *= AFFIRMED[label][present]
        elif word in DENIED[label].split():
            p *= 1 - AFFIRMED[label][present]
    for modality in {"audio", "video"} & set(modalities):
        for *about, value in steps(corpus.streams[f"{modality}.mentions"], i):
            if about.index(1.0) == LABELS.index(label):
                p *= stats.norm.pdf(value, VALUE[label] if present else -VALUE[label])
    return p


@pytest.mark.parametrize("modalities", [(), *subsets(ALL)])
def test_posteriors_equal_enumeration(small, modalities):
    law = small.tasks["mentions"].law
    p_NK, alone_NC = law.posterior(frozenset(modalities)), law.label_by_label(frozenset(modalities))
    prior_K = set_law()
    rate_C = prior_K @ SETS_KC
    for i in range(len(small)):
        by_label = np.array(
            [[likelihood(small, i, label, y, modalities) for y in (0, 1)] for label in LABELS]
        )
        p_K = prior_K * [by_label[range(6), row].prod() for row in SETS_KC]
        np.testing.assert_allclose(p_NK[i], p_K / p_K.sum(), atol=1e-7)
        present_C, absent_C = rate_C * by_label[:, 1], (1 - rate_C) * by_label[:, 0]
        np.testing.assert_allclose(alone_NC[i], present_C / (present_C + absent_C), atol=1e-7)


def test_evidence_is_drawn_as_the_law_says(large):
    task, words = large.tasks["mentions"], large.streams["text.mentions"]
    row_T = np.repeat(np.arange(len(large)), words.length)
    spoken = np.array(words.vocab)[words.values]
    for c, label in enumerate(LABELS):
        affirms, denies = (np.isin(spoken, w[label].split()) for w in (WORDS, DENIED))
        for present in (0, 1):
            rows = task.target[row_T, c] == present
            count, total = (affirms & rows).sum(), ((affirms | denies) & rows).sum()
            assert stats.binomtest(int(count), int(total), AFFIRMED[label][present]).pvalue > 1e-3
    audio = large.streams["audio.mentions"]
    row_T = np.repeat(np.arange(len(large)), audio.length)
    about_TC, value_T = audio.values[:, :-1] == 1, audio.values[:, -1]
    assert (about_TC.sum(1) == 1).all()
    for c, label in enumerate(LABELS):
        sign = np.where(task.target[row_T, c] == 1, 1, -1)
        centred = (sign * value_T)[about_TC[:, c]] - VALUE[label]
        assert abs(centred.mean()) < 4 / np.sqrt(len(centred))


def test_co_occurrence_is_worth_much_and_anger_hardly_shows_without_it(large):
    rows = np.arange(len(large))
    best = best_scores(large, "mentions", rows, ALL)["map"].expected
    alone = best_scores(large, "mentions", rows, ALL, co_occurrence=False)["map"].expected
    assert best > alone + 0.15


def test_names_of_labels_have_vectors_that_tell_them_apart(large):
    task = large.tasks["mentions"]
    for form in ("word", "gloss"):
        vectors, known = task.lexicon.phrases(label_texts(task.space, form))
        check_label_vectors(task.space, vectors, known)
    words = [w for lines in (WORDS, DENIED) for line in lines.values() for w in line.split()]
    assert len(set(words)) == len(words)
