"""Damage to rows: what it takes away, how much noise it adds, and that nothing else changes."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from merbench.api import RequestError, Stream
from merbench.data.streams.train_statistics import train_statistics
from merbench.engine.rows.corrupt import Damage, damaged
from merbench.testing import tiny

CORPUS = tiny.corpus(size=400)
STREAMS = {s.modality: s for s in CORPUS.streams.values() if s.kind != "strings"}
SPLIT = CORPUS.protocols["standard"].splits[0]
STATISTICS = {
    m: train_statistics(s, SPLIT.train) for m, s in STREAMS.items() if s.kind == "features"
}


def damage(text, rows=SPLIT.test, streams=STREAMS, seed=0):
    modality, _, damage = text.partition("=")
    kind, _, strength = damage.partition(":")
    return damaged(streams, rows, STATISTICS, [Damage(modality, kind, float(strength or 1))], seed)[
        modality
    ]


def row(stream, i):
    return stream.values[stream.start[i] : stream.start[i] + stream.length[i]]


def test_drop_takes_the_modality_from_every_row_or_a_share_of_them_and_from_no_other():
    assert not damage("audio=drop").length[SPLIT.test].any()
    assert np.array_equal(
        damage("audio=drop").length[SPLIT.train], STREAMS["audio"].length[SPLIT.train]
    )
    dropped = damage("video=drop:0.3").length[SPLIT.test] == 0
    assert 0.15 < dropped.mean() < 0.45


@pytest.mark.parametrize("modality", ["text", "audio"])
def test_mask_keeps_the_order_of_what_it_leaves_and_takes_about_the_share(modality):
    masked, original = damage(f"{modality}=mask:0.4"), STREAMS[modality]
    assert masked.length[SPLIT.test].sum() / original.length[SPLIT.test].sum() == pytest.approx(
        0.6, abs=0.1
    )
    for i in SPLIT.test:
        left, all_steps = row(masked, i).tolist(), iter(row(original, i).tolist())
        assert all(step in all_steps for step in left), "a subsequence of the row's own steps"


def test_a_stronger_mask_takes_away_what_a_weaker_one_does():
    weak, strong = damage("text=mask:0.3"), damage("text=mask:0.6")
    for i in SPLIT.test:
        longer = iter(row(weak, i).tolist())
        assert all(word in longer for word in row(strong, i).tolist())
    assert strong.length.sum() < weak.length.sum()


def test_a_mask_of_everything_is_a_missing_modality():
    masked = damage("text=mask:1")
    assert not masked.length[SPLIT.test].any() and len(masked.values), (
        "an empty array could not be indexed"
    )


def test_noise_is_measured_in_the_deviation_of_the_train_rows():
    original = STREAMS["video"]
    scaled = Stream(
        **{
            **original.__dict__,
            "values": original.values * np.array([1, 10, 100, 1000, 1e4], dtype=np.float32),
        }
    )
    statistics = {"video": train_statistics(scaled, SPLIT.train)}
    noisy = damaged(
        {"video": scaled}, SPLIT.test, statistics, [Damage("video", "noise", 2.0)], seed=1
    )["video"]
    added = noise_of(noisy, scaled, statistics)
    assert added.std(axis=0) == pytest.approx(2.0, abs=0.4) and abs(added.mean()) < 0.3
    half = damaged(
        {"video": scaled}, SPLIT.test, statistics, [Damage("video", "noise", 1.0)], seed=1
    )["video"]
    assert np.allclose(noise_of(half, scaled, statistics), added / 2, atol=1e-3), (
        "the direction is the same at any strength"
    )


def noise_of(noisy, original, statistics):
    return (
        np.concatenate([row(noisy, i) - row(original, i) for i in SPLIT.test])
        / statistics["video"].scale_D
    )


@pytest.mark.parametrize("text", ["audio=drop:0.5", "text=mask:0.5", "video=noise:1"])
def test_damage_depends_on_the_seed_and_on_nothing_else(text):
    once, again, other = damage(text), damage(text), damage(text, seed=1)
    for field in ("values", "start", "length"):
        assert np.array_equal(getattr(once, field), getattr(again, field))
    assert not (
        np.array_equal(once.values, other.values) and np.array_equal(once.length, other.length)
    )


def test_two_modalities_are_damaged_independently_of_each_other():
    damages = [Damage(modality, "drop", 0.5) for modality in ("audio", "video")]
    streams = damaged(STREAMS, SPLIT.test, STATISTICS, damages, seed=0)
    audio, video = (streams[m].length[SPLIT.test] == 0 for m in ("audio", "video"))
    assert abs(np.corrcoef(audio, video)[0, 1]) < 0.4


@pytest.mark.parametrize("text", ["text=drop:0.5", "text=mask:0.5", "video=noise:1"])
def test_a_damaged_stream_is_not_taken_for_the_one_that_was_stored(text):
    """Its values are others than those that the checksum and the times are of."""
    modality = text.partition("=")[0]
    stream = STREAMS[modality]
    times = np.zeros((len(stream.values), 2)) if stream.kind == "words" else None
    stored = dataclasses.replace(stream, sha256="0" * 64, times=times)
    result = damage(text, streams={modality: stored})
    assert result.sha256 == ""
    assert result.times is None or len(result.times) == len(result.values)


def test_strings_lose_words():
    texts = {"text": CORPUS.streams["text.transcript"]}
    masked = damage("text=mask:0.5", streams=texts)
    for i in SPLIT.test:
        left, words = str(masked.values[i]).split(), iter(str(texts["text"].values[i]).split())
        assert all(word in words for word in left) and masked.length[i] == bool(left)


@pytest.mark.parametrize("text", ["text=noise:1", "audio=drop"])
def test_what_does_not_fit_a_stream_is_one_sentence(text):
    with pytest.raises(RequestError, match=f"^{text}"):
        damage(text, streams={"text": STREAMS["text"]})
