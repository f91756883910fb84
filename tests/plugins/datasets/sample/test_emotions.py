"""The task `emotions` of the control set: its law against enumeration, its calibration, and what it
is there to show.
"""

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats
from scipy.special import logit

from merbench.api import check_label_vectors, label_texts
from merbench.data.labels.best_possible import best_scores, subsets
from merbench_datasets.sample import emotions as sample_emotions
from merbench_datasets.sample.data_set import Sample
from merbench_datasets.sample.emotions import DIRECT, LABELS, PAIR, PLACES, SETS_KC, WORD, WORDS
from tests.label_graph import evidence as readers

ALL = ("text", "audio", "video")


def make(**config):
    return Sample(Sample.Config(**config)).load()


@pytest.fixture(scope="module")
def large():
    return make(train=1, valid=1, test=20_000, seed=5)


def steps(stream, i):
    return stream.values[stream.start[i] : stream.start[i] + stream.length[i]]


def text_likelihood(words, i, label, present):
    """Of the number of this label's words in a row, by the binomial law."""
    label_words = set(WORDS[label].split())
    count = sum(words.vocab[w] in label_words for w in steps(words, i))
    return stats.binom.pmf(count, PLACES, WORD[label][present])


def direct_likelihood(stream, i, label, present):
    shift = DIRECT[stream.modality].get(label)
    if shift is None:
        return 1.0
    column = steps(stream, i)[:, list(DIRECT[stream.modality]).index(label)]
    return stats.norm.pdf(column, shift if present else -shift).prod()


def bit_likelihood(stream, i, label, bit):
    column = steps(stream, i)[:, len(DIRECT[stream.modality]) + PAIR.index(label)]
    bit_size = sample_emotions.BIT
    return stats.norm.pdf(column, bit_size if bit else -bit_size).prod()


def likelihood(corpus, i, label, present, modalities):
    """Of all that a row shows of one label; the bit of a pair is summed over."""
    words, audio, video = (corpus.streams[f"{m}.emotions"] for m in ALL)
    p = 1.0
    if "text" in modalities and words.length[i]:
        p *= text_likelihood(words, i, label, present)
    for stream in (audio, video):
        if stream.modality in modalities:
            p *= direct_likelihood(stream, i, label, present)
    if label in PAIR:
        pair = 0.0
        for bit in (0, 1):
            a = bit_likelihood(audio, i, label, bit) if "audio" in modalities else 1.0
            v = bit_likelihood(video, i, label, bit ^ present) if "video" in modalities else 1.0
            pair += a * v / 2
        p *= pair
    return p


def prior(labels):
    """exp(fields and couplings), not yet divided by its sum."""
    energy = sum(sample_emotions.FIELD[LABELS.index(label)] for label in labels)
    pairs = sample_emotions.COUPLING.items()
    return np.exp(energy + sum(strength for (a, b), strength in pairs if {a, b} <= set(labels)))


@pytest.mark.parametrize("modalities", [(), *subsets(ALL)])
def test_posteriors_equal_enumeration(modalities):
    corpus = make(train=12, valid=2, test=2, missing_text=0.2, missing_audio=0.3, missing_video=0.3)
    law = corpus.tasks["emotions"].law
    p_NK, alone_NC = law.posterior(frozenset(modalities)), law.label_by_label(frozenset(modalities))
    sets = [[label for label, y in zip(LABELS, row, strict=True) if y] for row in SETS_KC]
    prior_K = np.array([prior(labels) for labels in sets])
    rate_C = prior_K @ SETS_KC / prior_K.sum()
    for i in range(len(corpus)):
        by_label = np.array(
            [[likelihood(corpus, i, label, y, modalities) for y in (0, 1)] for label in LABELS]
        )
        p_K = prior_K * [by_label[range(6), row].prod() for row in SETS_KC]
        np.testing.assert_allclose(p_NK[i], p_K / p_K.sum(), atol=1e-9)
        present_C, absent_C = rate_C * by_label[:, 1], (1 - rate_C) * by_label[:, 0]
        np.testing.assert_allclose(alone_NC[i], present_C / (present_C + absent_C), atol=1e-9)


@pytest.mark.parametrize("modalities", [("text",), ("audio", "video"), ALL])
def test_posterior_is_calibrated(large, modalities):
    task = large.tasks["emotions"]
    p_NC = task.law.posterior(frozenset(modalities)) @ SETS_KC
    for low in np.arange(0, 1, 0.2):
        for c in range(len(LABELS)):
            cell = (p_NC[:, c] >= low) & (p_NC[:, c] < low + 0.2)
            error = np.sqrt((p_NC[cell, c] * (1 - p_NC[cell, c])).sum())
            assert abs(task.target[cell, c].sum() - p_NC[cell, c].sum()) <= 4 * error + 1e-9


def test_labels_are_rare_and_occur_together_as_the_law_says(large):
    target = large.tasks["emotions"].target
    law = sample_emotions.set_law()
    counted = (target[:, None] == SETS_KC).all(axis=2).sum(axis=0)
    assert stats.chisquare(counted, law * len(large)).pvalue > 1e-3
    rate = law @ SETS_KC
    assert rate[LABELS.index("fear")] < 0.07 and rate[LABELS.index("surprise")] < 0.11


def test_knowing_what_occurs_together_gains_and_a_pair_tells_what_neither_alone_does(large):
    rows = np.arange(len(large))

    def best(*modalities, **how):
        return best_scores(large, "emotions", rows, modalities, **how)["map"].expected

    assert best(*ALL) > best(*ALL, co_occurrence=False) + 0.1
    apart = large.tasks["emotions"].law
    for modality in ("audio", "video"):
        p_NC = apart.label_by_label(frozenset({modality}))
        pair = [LABELS.index(label) for label in PAIR]
        np.testing.assert_allclose(p_NC[:, pair], np.tile(p_NC[0, pair], (len(large), 1)))
    assert best("audio", "video") > max(best("audio"), best("video")) + 0.2


@pytest.fixture(scope="module")
def full():
    return readers.evidence()


def test_names_of_labels_alone_calibrate_what_is_read_label_by_label(full):
    """SCPNet's prior; with shuffled names its gain is gone. A posterior that has the co-occurrence
    already gains nothing from it.
    """
    alone = readers.label_by_label(full)
    assert readers.calibrated(full, share=0.4) > alone + 0.5 * (readers.best(full) - alone)
    assert readers.calibrated(full, share=0.4, shuffle=True) < alone
    p_NK = full.task.law.posterior(frozenset(ALL))
    p_NC = np.clip(p_NK @ SETS_KC, 1e-9, 1 - 1e-9)
    informed = replace(full, own_NC=logit(p_NC))
    assert readers.calibrated(informed, share=0.4) < readers.best(full)


def test_a_graph_counted_from_few_labels_makes_up_for_what_label_by_label_lacks(full):
    """Evidence as the law has it, 30 % of the train labels; a shuffled graph makes up for little.
    Who reads the evidence of all labels has little need of a graph.
    """
    with_some = readers.with_labels(full, "keep:0.3", seed=0)
    alone, best = readers.label_by_label(with_some), readers.best(full)
    way = best - alone
    assert way > 0.1
    assert readers.over_graph(with_some, with_some.graph()) > alone + 0.6 * way
    assert readers.over_graph(with_some, with_some.shuffled_graph()) < alone + 0.2 * way
    assert readers.without_graph(with_some) > alone + 0.6 * way


def test_names_of_labels_carry_meaning_and_what_occurs_together(large):
    task = large.tasks["emotions"]
    for form in ("word", "template", "gloss", "word+gloss"):
        vectors, known = task.lexicon.phrases(label_texts(task.space, form))
        check_label_vectors(task.space, vectors, known)
    vectors, known = task.lexicon.phrases(LABELS)
    assert known.all()

    def like(a, b):
        return a @ b / np.linalg.norm(a) / np.linalg.norm(b)

    for c, label in enumerate(LABELS):
        others = [w for w in WORDS[label].split() if w != label]
        likeness = np.mean([like(vectors[c], v) for v in task.lexicon.phrases(others)[0]])
        for d in range(len(LABELS)):
            if d != c:
                foreign = task.lexicon.phrases(WORDS[LABELS[d]].split())[0]
                assert likeness > np.mean([like(vectors[c], v) for v in foreign])
    anger, disgust, happy = (vectors[LABELS.index(w)] for w in ("anger", "disgust", "happy"))
    assert like(anger, disgust) > like(anger, happy) + 0.3
    words = [w for line in WORDS.values() for w in line.split()]
    assert len(set(words)) == len(words) and set(LABELS) <= set(words)


def test_form_and_missing_rows(large):
    task = large.tasks["emotions"]
    assert task.streams == ("text.emotions", "audio.emotions", "video.emotions")
    assert large.default_streams("emotions", "standard") == task.streams
    assert large.default_streams("sentiment", "standard")[0] == "text.words"
    assert "sentiment+emotions" not in large.offered  # they are read from different streams
    present = np.stack([large.streams[name].length > 0 for name in task.streams], axis=1)
    assert present.any(axis=1).all() and (abs(present.mean(axis=0) - 0.97) < 0.01).all()
    words, transcript = (large.streams[f"text.{n}"] for n in ("emotions", "emotions_transcript"))
    for i in range(50):
        assert " ".join(words.vocab[w] for w in steps(words, i)) == transcript.values[i]
