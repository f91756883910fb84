"""The control set `sample`: its posterior against enumeration, its calibration, and its form."""

from itertools import product

import numpy as np
import pytest
from scipy import stats

from merbench.api import SENTIMENT, check_label_vectors, label_texts
from merbench.data.dataset_hash import revision
from merbench.data.labels.best_possible import best_scores, subsets
from merbench_datasets.sample import data_set as sample
from merbench_datasets.sample.data_set import Sample

ALL = ("text", "audio", "video")


def make(**config):
    return Sample(Sample.Config(**config)).load()


def law_of(corpus):
    return corpus.tasks["sentiment"].law


@pytest.fixture(scope="module")
def large():
    return make(train=1, valid=1, test=20_000, seed=5)


def steps(stream, i):
    return stream.values[stream.start[i] : stream.start[i] + stream.length[i]]


def word_probability(word, surface):
    """Of one word given the surface level, from the tables and the formula of the docstring."""
    unknown, filler, affect = sample.RATES
    weight = {j: np.exp(-((j - surface) ** 2) / (2 * sample.SPREAD**2)) for j in sample.AFFECT}
    for level, line in sample.AFFECT.items():
        if word in line.split():
            return affect * weight[level] / sum(weight.values()) / len(line.split())
    if word in sample.UNKNOWN.split():
        return unknown / len(sample.UNKNOWN.split())
    fillers = sample.FILLERS.split()
    return filler / (fillers.index(word) + 1) / sum(1 / rank for rank in range(1, len(fillers) + 1))


def enumerated(corpus, i, modalities, flip_rate):
    """The posterior of row i by summing over level, flip and the audio bit."""
    words, audio, video = (
        corpus.streams[name] for name in ("text.words", "audio.sample", "video.sample")
    )
    p_K = np.zeros(7)
    for level, flip, a in product(range(-3, 4), (0, 1), (0, 1)):
        log = np.log(sample.LEVELS[level + 3] * (flip_rate if flip else 1 - flip_rate) / 2)
        if "text" in modalities:
            log += sum(
                np.log(word_probability(words.vocab[w], -level if flip else level))
                for w in steps(words, i)
            )
        for stream, bit in ((audio, a), (video, a ^ flip)):
            if stream.modality in modalities:
                mean_D = sample.BIT[stream.modality] * (sample.SHIFT if bit else -sample.SHIFT)
                log += stats.norm.logpdf(steps(stream, i)[:, : len(mean_D)], mean_D).sum()
        p_K[level + 3] += np.exp(log)
    return p_K / p_K.sum()


@pytest.mark.parametrize("modalities", [(), *subsets(ALL)])
def test_posterior_equals_enumeration(monkeypatch, modalities):
    # Bits that can be mistaken, short texts and many missing modalities: every term counts.
    monkeypatch.setattr(sample, "SHIFT", 0.1)
    corpus = make(
        train=15,
        valid=2,
        test=3,
        flip=0.2,
        missing_text=0.2,
        missing_audio=0.3,
        missing_video=0.3,
        longest_text=6,
    )
    assert all((s.length == 0).any() for s in corpus.streams.values())
    p = law_of(corpus).posterior(frozenset(modalities))
    levels = law_of(corpus).outcomes
    np.testing.assert_array_equal(levels, np.arange(-3, 4))
    np.testing.assert_allclose(
        p, [enumerated(corpus, i, modalities, 0.2) for i in range(len(corpus))], atol=1e-9
    )


def test_posterior_is_a_law_at_every_flip_rate():
    for flip in (0.0, 0.5, 1.0):
        for modalities in ((), *subsets(ALL)):
            p = law_of(make(train=50, valid=5, test=5, flip=flip)).posterior(frozenset(modalities))
            assert (p >= 0).all()
            np.testing.assert_allclose(p.sum(axis=1), 1)


@pytest.mark.parametrize("modalities", [("text",), ("text", "audio"), ALL])
def test_posterior_is_calibrated(large, modalities):
    rows = large.protocols["standard"].splits[0].test
    levels, p = law_of(large).outcomes, law_of(large).posterior(frozenset(modalities))
    p, hit = p[rows], large.tasks["sentiment"].target[rows][:, None] == levels
    for low in np.arange(0, 1, 0.2):
        for k in range(7):
            cell = (p[:, k] >= low) & (p[:, k] < low + 0.2)
            error = np.sqrt((p[cell, k] * (1 - p[cell, k])).sum())
            assert abs(hit[cell, k].sum() - p[cell, k].sum()) <= 4 * error + 1e-9


def test_words_and_steps_follow_their_law(large):
    words, audio = large.streams["text.words"], large.streams["audio.sample"]
    counts = np.bincount(words.values, minlength=len(words.vocab))
    unknown = [words.vocab.index(w) for w in sample.UNKNOWN.split()]
    rate = sample.RATES[0]
    assert abs(counts[unknown].sum() / counts.sum() - rate) < 4 * np.sqrt(rate / counts.sum())
    bit_D = sample.BIT["audio"]
    inside = audio.values[:, : len(bit_D)] * bit_D
    sign_T = np.repeat(
        [
            1 if steps(audio, i)[:, : len(bit_D)].sum(axis=0) @ bit_D > 0 else -1
            for i in range(len(large))
        ],
        audio.length,
    )
    noise = inside * sign_T[:, None] - sample.SHIFT
    assert abs(noise.mean()) < 0.01 and abs(noise.std() - 1) < 0.01


def test_neither_audio_nor_video_alone_tells_the_flip_and_both_do(large):
    y = large.tasks["sentiment"].target
    levels, text = law_of(large).outcomes, law_of(large).posterior(frozenset({"text"}))
    wrong = np.sign(y) != np.sign(text @ levels)
    streams = [large.streams[name] for name in large.protocols["standard"].streams]
    known = (y != 0) & np.all([s.length > 0 for s in streams], axis=0)
    bit = {}
    for name in ("audio", "video"):
        stream = large.streams[f"{name}.sample"]
        width = len(sample.BIT[name])
        bit[name] = np.array(
            [
                steps(stream, i)[:, :width].sum(axis=0) @ sample.BIT[name] > 0
                for i in range(len(large))
            ]
        )
        assert abs(np.corrcoef(wrong[known], bit[name][known])[0, 1]) < 4 / np.sqrt(known.sum())
        for pair in ({name}, {"text", name}):
            np.testing.assert_allclose(
                law_of(large).posterior(frozenset(pair)),
                law_of(large).posterior(frozenset(pair - {name})),
                atol=1e-12,
            )
    assert np.corrcoef(wrong[known], (bit["audio"] ^ bit["video"])[known])[0, 1] > 0.9
    np.testing.assert_allclose(
        law_of(large).posterior(frozenset({"audio", "video"})),
        np.tile(sample.LEVELS, (len(large), 1)),
        atol=1e-12,
    )


def test_text_gains_and_all_three_gain_much_more(large):
    best = {
        s: best_scores(large, "sentiment", np.arange(len(large)), s) for s in ((), *subsets(ALL))
    }
    assert best[()]["mae"].scored > best["text",]["mae"].scored + 0.4
    assert best["text",]["mae"].scored > best[ALL]["mae"].scored + 0.5
    assert best[ALL]["acc2_non0"].scored > 0.93 and 0.6 < best["text",]["acc2_non0"].scored < 0.75


def test_default_form():
    corpus = make()
    split = corpus.protocols["standard"].splits[0]
    assert (len(split.train), len(split.valid), len(split.test)) == (1284, 229, 686)
    assert len(corpus) == 2199 == len(set(corpus.ids.tolist())) and corpus.ids[0] == "sample000_1"
    assert corpus.protocols["standard"].streams == ("text.words", "audio.sample", "video.sample")
    videos = [set(corpus.videos[rows].tolist()) for rows in (split.train, split.valid, split.test)]
    assert not (videos[0] & videos[1] or videos[0] & videos[2] or videos[1] & videos[2])
    assert all(str(i).startswith(f"{v}_") for i, v in zip(corpus.ids, corpus.videos, strict=True))
    assert set(np.unique(corpus.tasks["sentiment"].target)) == set(range(-3, 4))
    present = np.stack(
        [corpus.streams[name].length > 0 for name in corpus.protocols["standard"].streams], axis=1
    )
    assert (
        present.any(axis=1).all()
        and ((present.mean(axis=0) > 0.94) & (present.mean(axis=0) < 0.99)).all()
    )


def test_streams_agree_with_each_other():
    corpus = make(train=40, valid=5, test=5, missing_text=0.3)
    words, transcript = corpus.streams["text.words"], corpus.streams["text.transcript"]
    for i in range(len(corpus)):
        assert (
            " ".join(words.vocab[w] for w in steps(words, i))
            == corpus.texts[i]
            == transcript.values[i]
        )
        times = words.times[words.start[i] : words.start[i] + words.length[i]]
        assert len(times) == 0 or (
            times[0, 0] == pytest.approx(0, abs=1e-9) and (times[:, 1] > times[:, 0]).all()
        )
        np.testing.assert_allclose(times[1:, 0], times[:-1, 1], atol=1e-9)
    np.testing.assert_array_equal(words.length > 0, transcript.length > 0)
    for name, longest in (("text.words", 20), ("audio.sample", 24), ("video.sample", 16)):
        stream = corpus.streams[name]
        assert (
            len(stream.values) == stream.length.sum()
            and stream.length.max() <= longest
            and stream.length[stream.length > 0].min() >= 4
        )


def test_every_label_has_its_own_vector_and_only_unknown_words_have_none():
    corpus = make(train=40, valid=5, test=5)
    for form in ("word", "template", "gloss", "word+gloss"):
        check_label_vectors(SENTIMENT, *corpus.lexicon.phrases(label_texts(SENTIMENT, form)))
    vocab = corpus.streams["text.words"].vocab
    _, known = corpus.lexicon.table(vocab)
    assert {w for w, k in zip(vocab, known, strict=True) if not k} == set(sample.UNKNOWN.split())
    assert len(set(vocab)) == len(vocab)
    assert all(
        corpus.lexicon.table([w])[1].all()
        for text in SENTIMENT.glosses
        for w in text.replace(",", "").split()
    )


def test_same_seed_same_set_other_seed_other_set():
    one, same, other = make(seed=3), make(seed=3), make(seed=4)
    for name, stream in one.streams.items():
        np.testing.assert_array_equal(stream.values, same.streams[name].values)
        np.testing.assert_array_equal(stream.length, same.streams[name].length)
        assert (
            not np.array_equal(stream.length, other.streams[name].length)
            or name == "text.transcript"
        )
    np.testing.assert_array_equal(one.tasks["sentiment"].target, same.tasks["sentiment"].target)
    assert not np.array_equal(one.tasks["sentiment"].target, other.tasks["sentiment"].target)
    assert one.lexicon.files[0].sha256 == other.lexicon.files[0].sha256


def test_the_sentiment_task_is_as_boards_that_are_published_have_it():
    corpus = make()
    streams = ("text.words", "audio.sample", "video.sample", "text.transcript")
    assert revision(corpus, "sentiment", "standard", streams).startswith("2f57633a5dee7a7e")
    digest = corpus.lexicon.files[0].sha256
    assert digest.startswith("90106f1534be8a21")
