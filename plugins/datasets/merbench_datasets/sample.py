"""A generated control set in CMU-MOSI's form whose best possible scores are known exactly.

The law, for each utterance on its own:

* level k in -3..3 is drawn from LEVELS; it is the score. flip is true at the rate ``flip`` (sarcasm), whatever k is.
* text speaks of the surface level s = -k where flip is true, else k: each word is an unknown word, a filler or an affect word, at
  fixed rates, and only affect words depend on s: the word's own level j is drawn in proportion to exp(-(j - s)^2 / 2 SPREAD^2).
* audio carries a fair bit a, video carries v = a xor flip, so either alone says nothing of flip and both together tell it. A bit shifts
  every step by +SHIFT or -SHIFT along one direction, under Gaussian noise of variance 1 in every direction; in all other directions
  each video (its speaker) has an offset of its own.
* each modality is missing at its own rate, whatever the rest is.

So text alone is wrong about sarcasm, any pair with text is no better than text, audio and video alone are no better than a constant, and
all three together gain much. The seed draws the utterances; the law, with its word vectors, stays the same.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import numpy as np
from pydantic import Field

from merbench.api import MODALITIES, SENTIMENT, Config, Corpus, Lexicon, Modality, Protocol, Split, Stream, Task, Vectors, words_of

LEVELS = np.array([0.08, 0.17, 0.19, 0.12, 0.18, 0.18, 0.08])
"""Probability of the levels -3..3, much as in MOSI."""
SPREAD = 0.8
SHIFT = 1.0
SPEAKER = 0.5
RATES = (0.03, 0.42, 0.55)
"""Of unknown words, fillers and affect words."""
WIDTHS = {"audio": 8, "video": 6}
SHORTEST = 4
SCALES = np.array([[1.0], [1.0], [1.5]])
VECTOR_NOISE = 0.3
A_VIDEO = 24
"""Utterances of a video, on average."""

AFFECT = {
    -3: "terrible awful hated anger horrible disgusting worst dreadful",
    -2: "bad disliked negative poor boring stupid annoying ugly",
    -1: "disappointing weak slow flat tired uneven dull thin",
    0: "neutral feeling okay average usual plain ordinary standard",
    1: "nice fine pleasant decent neat solid fair likable",
    2: "good liked positive enjoyed funny strong fresh clever",
    3: "wonderful great loved joy amazing brilliant fantastic perfect",
}
FILLERS = (
    "the and a i it of to is was this that in you movie he with they film but for so there on at as she have are story we like about one "
    "just when actor scene really people end character think some see"
)
UNKNOWN = "umm uhh hmm erm"
"""In transcripts, without a vector."""
STRONGER, WEAKER = "strongly very", "slightly little rather somewhat neither nor without any"
"""Not in transcripts: label words that need a vector."""


class Sample:
    """The data set ``sample``: task ``sentiment`` (score), streams ``text.words``, ``text.transcript``, ``audio.sample``, ``video.sample``."""

    class Config(Config):
        train: Annotated[int, Field(ge=1)] = 1284
        valid: Annotated[int, Field(ge=1)] = 229
        test: Annotated[int, Field(ge=1)] = 686
        seed: Annotated[int, Field(ge=0)] = 0
        flip: Annotated[float, Field(ge=0, le=1)] = 0.25
        """Share of utterances whose words say the opposite of the score."""
        missing_text: Annotated[float, Field(ge=0, lt=1)] = 0.03
        missing_audio: Annotated[float, Field(ge=0, lt=1)] = 0.04
        missing_video: Annotated[float, Field(ge=0, lt=1)] = 0.05
        longest_text: Annotated[int, Field(ge=SHORTEST)] = 20
        """Lengths are uniform from 4 up to this, in words; the same for the steps of audio and video."""
        longest_audio: Annotated[int, Field(ge=SHORTEST)] = 24
        longest_video: Annotated[int, Field(ge=SHORTEST)] = 16

    def __init__(self, config: Config) -> None:
        self.config = config

    def load(self) -> Corpus:
        c = self.config
        rng = np.random.default_rng(c.seed)
        sizes = (c.train, c.valid, c.test)
        n = sum(sizes)

        level_N = rng.choice(7, size=n, p=LEVELS) - 3
        flip_N = rng.random(n) < c.flip
        a_N = rng.random(n) < 0.5
        bits = {"audio": a_N, "video": a_N ^ flip_N}
        missing = rng.random((n, 3)) < (c.missing_text, c.missing_audio, c.missing_video)
        missing[missing.all(axis=1), 0] = False
        length = {
            m: np.where(missing[:, i], 0, rng.integers(SHORTEST, getattr(c, f"longest_{m}"), size=n, endpoint=True))
            for i, m in enumerate(MODALITIES)
        }

        split_N = np.repeat(np.arange(3), sizes)
        many = np.maximum(1, np.array(sizes) // A_VIDEO)
        first = np.cumsum(many) - many
        video_N = np.sort(first[split_N] + rng.integers(many[split_N]))
        clip_N = np.arange(n) - np.searchsorted(video_N, video_N) + 1

        words = _words(rng, np.where(flip_N, -level_N, level_N), length["text"])
        features = [_features(rng, m, bits[m], length[m], video_N) for m in ("audio", "video")]
        transcripts = _transcripts(words)
        transcript = Stream.of_rows("text.transcript", "text", "strings", transcripts, note="the words of text.words")
        videos = np.array([f"sample{v:03d}" for v in video_N])
        rows = np.split(np.arange(n), np.cumsum(sizes)[:2])
        return Corpus(
            name="sample",
            ids=np.array([f"{v}_{clip}" for v, clip in zip(videos, clip_N, strict=True)]),
            videos=videos,
            texts=transcripts,
            tasks={"sentiment": Task(SENTIMENT, level_N.astype(np.float64))},
            streams={s.name: s for s in (words, transcript, *features)},
            protocols={"standard": Protocol((Split(*rows),), (words.name, *(s.name for s in features)))},
            lexicon=_lexicon(),
            posterior=_posterior(c.flip, words, *features),
            notes=("generated: its words, sounds and pictures are drawn from a known law, not recorded from people",),
        )


_AFFECT = {word: level for level, words in AFFECT.items() for word in words.split()}
VOCAB = (*_AFFECT, *FILLERS.split(), *UNKNOWN.split())


def word_law() -> np.ndarray:
    """[7, V]: probability of each word of VOCAB given the surface level -3..3."""
    level_A, surface_S = np.array(list(_AFFECT.values())), np.arange(-3, 4)
    affect_SA = np.exp(-((level_A - surface_S[:, None]) ** 2) / (2 * SPREAD**2))
    filler_F = 1 / np.arange(1, len(FILLERS.split()) + 1)  # Zipf's law
    unknown_U = np.ones(len(UNKNOWN.split()))
    unknown, filler, affect = RATES
    other = np.concatenate([filler * filler_F / filler_F.sum(), unknown * unknown_U / unknown_U.sum()])
    return np.hstack([affect * affect_SA / affect_SA.sum(axis=1, keepdims=True), np.tile(other, (7, 1))])


def direction(modality: Modality) -> np.ndarray:
    """[D, D] orthonormal rows: the first is the direction along which the bit of ``audio`` or ``video`` shifts, the others carry speakers."""
    width = WIDTHS[modality]
    return np.linalg.qr(np.random.default_rng([11, width]).normal(size=(width, width)))[0]


def _starts(length_N: np.ndarray) -> np.ndarray:
    return np.cumsum(length_N) - length_N


def _sum_rows(values_TK: np.ndarray, stream: Stream) -> np.ndarray:
    """[N, K]: sum over each row's steps, 0 where there are none."""
    total = np.concatenate([np.zeros((1, values_TK.shape[1])), np.cumsum(values_TK, axis=0, dtype=np.float64)])
    return total[stream.start + stream.length] - total[stream.start]


def _words(rng: np.random.Generator, surface_N: np.ndarray, length_N: np.ndarray) -> Stream:
    surface_T = np.repeat(surface_N, length_N) + 3
    law_SV = word_law()
    # One search in the seven cumulative laws laid end to end: that of surface s covers (s, s + 1).
    ends = np.arange(7)[:, None] + np.cumsum(law_SV, axis=1) / law_SV.sum(axis=1, keepdims=True)
    word_T = np.searchsorted(ends.ravel(), surface_T + rng.random(len(surface_T)), side="right") - surface_T * len(VOCAB)
    seconds_T = rng.uniform(0.15, 0.45, size=len(surface_T))
    start_N = _starts(length_N)
    clock_T = np.concatenate([[0.0], np.cumsum(seconds_T)])
    ends_T = clock_T[1:] - np.repeat(clock_T[start_N], length_N)
    times_T2 = np.stack([ends_T - seconds_T, ends_T], axis=1)
    return Stream(
        "text.words", "text", "words", np.minimum(word_T, len(VOCAB) - 1), start_N, length_N, vocab=VOCAB, times=times_T2, note="generated"
    )


def _features(rng: np.random.Generator, modality: Modality, bit_N: np.ndarray, length_N: np.ndarray, video_N: np.ndarray) -> Stream:
    width = WIDTHS[modality]
    centre_ND = np.empty((len(bit_N), width))
    centre_ND[:, 0] = np.where(bit_N, SHIFT, -SHIFT)
    centre_ND[:, 1:] = SPEAKER * rng.normal(size=(video_N[-1] + 1, width - 1))[video_N]
    x_TD = np.repeat(centre_ND, length_N, axis=0) + rng.normal(size=(length_N.sum(), width))
    values = (x_TD @ direction(modality)).astype(np.float32)
    return Stream(f"{modality}.sample", modality, "features", values, _starts(length_N), length_N, note="generated")


def _transcripts(words: Stream) -> np.ndarray:
    word_T = np.array(words.vocab)[words.values].tolist()
    return np.array([" ".join(word_T[s : s + n]) for s, n in zip(words.start.tolist(), words.length.tolist(), strict=True)])


def _lexicon() -> Lexicon:
    """Valence, intensity and being an affect word at all, along three random directions, and noise in every dimension."""
    affect = {word: (level, abs(level) - 1.5, 1.0) for word, level in _AFFECT.items()}
    more = {w: (0.0, 2.5, 0.0) for w in STRONGER.split()} | {w: (0.0, -1.5, 0.0) for w in WEAKER.split()}
    words = affect | {w: (0.0, 0.0, 0.0) for w in FILLERS.split()} | more
    missing = {w for text in (*SENTIMENT.words, *SENTIMENT.glosses) for w in words_of(text)} - set(words)
    words |= {w: (0.0, 0.0, 0.0) for w in sorted(missing)}
    rng = np.random.default_rng(7)
    axes_3D = np.linalg.qr(rng.normal(size=(20, 3)))[0].T * SCALES
    matrix = np.array(list(words.values())) @ axes_3D + VECTOR_NOISE * rng.normal(size=(len(words), 20))
    return Lexicon((Vectors("sample", tuple(words), matrix.astype(np.float32)),))


def _posterior(flip: float, words: Stream, audio: Stream, video: Stream) -> Callable[[frozenset[Modality]], tuple[np.ndarray, np.ndarray]]:
    def bit_law(stream: Stream) -> np.ndarray:
        """[N]: P(bit | the row's steps): the mean is what decides, log odds = 2 SHIFT sum of the shifted coordinate."""
        odds = 2 * SHIFT * _sum_rows(stream.values @ direction(stream.modality)[:1].T, stream)[:, 0]
        return 0.5 * (1 + np.tanh(odds / 2))

    def posterior(modalities: frozenset[Modality]) -> tuple[np.ndarray, np.ndarray]:
        """The law of the score given what each row has of these modalities: (levels [7], p [N, 7])."""
        n = len(words.length)
        a_N, v_N = (bit_law(s) if s.modality in modalities else np.full(n, 0.5) for s in (audio, video))
        differ_N = a_N * (1 - v_N) + v_N * (1 - a_N)
        f_N = flip * differ_N / (flip * differ_N + (1 - flip) * (1 - differ_N))
        log_NS = _sum_rows(np.log(word_law()).T[words.values], words) if "text" in modalities else np.zeros((n, 7))
        like_NS = np.exp(log_NS - log_NS.max(axis=1, keepdims=True))
        p_NK = LEVELS * (f_N[:, None] * like_NS[:, ::-1] + (1 - f_N)[:, None] * like_NS)
        return np.arange(-3.0, 4.0), p_NK / p_NK.sum(axis=1, keepdims=True)

    return posterior
