"""A generated control set in CMU-MOSI's form whose best possible scores are known exactly.

The law, for each utterance on its own:

* its level k in -3..3 is drawn from LEVELS and is the score; flip (sarcasm) is true at the rate
  ``flip``, whatever k is.
* text speaks of the surface level s, which is -k where flip is true and k elsewhere. Each word is
  unknown, a filler or an affect word, at the RATES; only affect words depend on s: such a word is
  of level j in proportion to exp(-(j - s)^2 / (2 SPREAD^2)).
* audio carries a fair bit a, and video carries a xor flip: either alone says nothing of flip, both
  together tell it. In every step a bit moves the first half of the dimensions by SHIFT along BIT or
  against it, each video (its speaker) has an offset of its own in the second half, and all have
  Gaussian noise of variance 1.
* each modality is missing at its own rate, whatever the rest is; never all three.

So text alone is wrong about sarcasm, text with audio or with video is no better, audio and video
without text are no better than a constant, and all three together gain much. The seed draws the
utterances; the law and its word vectors stay the same.
"""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from typing import Annotated

import numpy as np
from pydantic import Field

from merbench.api import (
    SENTIMENT,
    Config,
    Corpus,
    Law,
    Lexicon,
    Modality,
    Protocol,
    Split,
    Stream,
    Task,
    Vectors,
    words_of,
)
from merbench_datasets.sample.emotions import make_emotions
from merbench_datasets.sample.mentions import make_mentions
from merbench_datasets.sample.streams import (
    FILLERS,
    SHORTEST,
    UNKNOWN,
    features_stream,
    missing_modalities,
    sum_of_steps,
    transcript_stream,
    words_stream,
)

LEVELS = np.array([0.08, 0.17, 0.19, 0.12, 0.18, 0.18, 0.08])
"""Probability of the levels -3..3, much as in MOSI."""
RATES = (0.03, 0.22, 0.75)
"""Of unknown words, fillers and affect words."""
SPREAD = 1.2
SHIFT = 1.0
BIT = {
    "audio": np.array([1.0, -1.0, 1.0, -1.0, 1.0, -1.0]),
    "video": np.array([1.0, -1.0, 1.0, -1.0]),
}
NOTE = (
    "generated from a known law, not recorded from people: "
    "a control for models, not a benchmark of emotion"
)
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
STRONGER, WEAKER = "strongly very", "slightly little rather somewhat"
"""Not in transcripts: words of degree that label texts use."""


class Sample:
    """The data set ``sample``: task ``sentiment`` (score) of the streams ``text.words``,
    ``text.transcript``, ``audio.sample`` and ``video.sample``, and tasks ``emotions`` and
    ``mentions`` (six labels) of streams of their own (files ``emotions`` and ``mentions``).

    It has word vectors (``lexicon``, 16 wide, all of SENTIMENT's words in it), and the exact law of
    each task.
    """

    class Config(Config):
        train: Annotated[int, Field(ge=1)] = 1284
        """Utterances of the train split."""
        valid: Annotated[int, Field(ge=1)] = 229
        """Utterances of the validation split."""
        test: Annotated[int, Field(ge=1)] = 686
        """Utterances of the test split."""
        seed: Annotated[int, Field(ge=0)] = 0
        """Seed that draws the utterances."""
        flip: Annotated[float, Field(ge=0, le=1)] = 0.3
        """Share of utterances whose words say the opposite of the score."""
        missing_text: Annotated[float, Field(ge=0, lt=1)] = 0.03
        """Probability that an utterance lacks its text; no utterance lacks all three modalities."""
        missing_audio: Annotated[float, Field(ge=0, lt=1)] = 0.03
        """Probability that an utterance lacks its audio."""
        missing_video: Annotated[float, Field(ge=0, lt=1)] = 0.03
        """Probability that an utterance lacks its video."""
        longest_text: Annotated[int, Field(ge=SHORTEST)] = 20
        """Words of the longest transcript; lengths are uniform from 4 up to it. The same for the
        steps of audio and video.
        """
        longest_audio: Annotated[int, Field(ge=SHORTEST)] = 24
        """Steps of the longest audio."""
        longest_video: Annotated[int, Field(ge=SHORTEST)] = 16
        """Steps of the longest video."""

    def __init__(self, config: Config) -> None:
        self.config = config

    def load(self) -> Corpus:
        c = self.config
        rng = np.random.default_rng(c.seed)
        sizes = np.array([c.train, c.valid, c.test])
        n = int(sizes.sum())
        train, valid, test = np.split(np.arange(n), np.cumsum(sizes)[:2])
        video_N = _videos(rng, sizes)
        clip_N = np.arange(n) - np.searchsorted(video_N, video_N) + 1
        videos = np.array([f"sample{v:03d}" for v in video_N])

        sentiment, streams = self._sentiment(rng, video_N)
        emotions, emotion_streams = make_emotions(c, video_N)
        mentions, mention_streams = make_mentions(c, video_N)
        words, transcript, audio, video = streams
        return Corpus(
            name="sample",
            ids=np.array([f"{v}_{clip}" for v, clip in zip(videos, clip_N, strict=True)]),
            videos=videos,
            texts=transcript.values,
            tasks={"sentiment": sentiment, "emotions": emotions, "mentions": mentions},
            streams={s.name: s for s in (*streams, *emotion_streams, *mention_streams)},
            protocols={
                "standard": Protocol(
                    (Split(train, valid, test),), (words.name, audio.name, video.name)
                )
            },
            lexicon=Lexicon((_vectors(),)),
            notes=(NOTE,),
        )

    def _sentiment(
        self, rng: np.random.Generator, video_N: np.ndarray
    ) -> tuple[Task, tuple[Stream, Stream, Stream, Stream]]:
        """The task, and the streams of words, transcripts, audio and video."""
        c, n = self.config, len(video_N)
        level_N = rng.choice(np.arange(-3, 4), size=n, p=LEVELS)
        flip_N = rng.random(n) < c.flip
        a_N = rng.random(n) < 0.5
        missing_NM = missing_modalities(rng, n, c)
        longest = (c.longest_text, c.longest_audio, c.longest_video)
        length_NM = np.where(
            missing_NM, 0, rng.integers(SHORTEST, longest, size=(n, 3), endpoint=True)
        )
        words = _words(rng, np.where(flip_N, -level_N, level_N), length_NM[:, 0])
        audio = _features(rng, "audio", a_N, video_N, length_NM[:, 1])
        video = _features(rng, "video", a_N ^ flip_N, video_N, length_NM[:, 2])
        law = Law(np.arange(-3.0, 4.0), _posterior(c.flip, words, audio, video))
        task = Task(SENTIMENT, level_N.astype(np.float64), law=law)
        return task, (words, transcript_stream("text.transcript", words), audio, video)


def _videos(rng: np.random.Generator, sizes: np.ndarray) -> np.ndarray:
    """[N]: the number of each utterance's video, sorted; no video is in two of the splits of these
    ``sizes``.
    """
    videos_in = np.maximum(1, sizes // A_VIDEO)
    first = np.cumsum(videos_in) - videos_in
    return np.sort(np.repeat(first, sizes) + rng.integers(np.repeat(videos_in, sizes)))


_AFFECT = {word: level for level, line in AFFECT.items() for word in line.split()}
_VOCAB = (*_AFFECT, *FILLERS.split(), *UNKNOWN.split())


def _word_law() -> np.ndarray:
    """[7, V]: probability of each word of the vocabulary given the surface level -3..3."""
    affect_SA = np.exp(
        -((np.array(list(_AFFECT.values())) - np.arange(-3, 4)[:, None]) ** 2) / (2 * SPREAD**2)
    )
    filler_SF = np.tile(1 / np.arange(1, len(FILLERS.split()) + 1), (7, 1))  # Zipf's law
    unknown_SU = np.ones((7, len(UNKNOWN.split())))
    unknown, filler, affect = RATES
    parts = ((affect, affect_SA), (filler, filler_SF), (unknown, unknown_SU))
    return np.hstack([rate * part / part.sum(axis=1, keepdims=True) for rate, part in parts])


def _words(rng: np.random.Generator, surface_N: np.ndarray, length_N: np.ndarray) -> Stream:
    surface_T = np.repeat(surface_N, length_N) + 3
    # One search in the seven cumulative laws laid end to end: that of surface s fills s..s+1.
    steps_SV = np.arange(7)[:, None] + np.minimum(np.cumsum(_word_law(), axis=1), 1.0)
    steps_SV[:, -1] = np.arange(1, 8)
    word_T = np.searchsorted(
        steps_SV.ravel(), surface_T + rng.random(len(surface_T)), side="right"
    ) - surface_T * len(_VOCAB)
    return words_stream(rng, "text.words", _VOCAB, word_T, length_N)


def _features(
    rng: np.random.Generator,
    modality: Modality,
    bit_N: np.ndarray,
    video_N: np.ndarray,
    length_N: np.ndarray,
) -> Stream:
    centre_ND = np.where(bit_N[:, None], SHIFT, -SHIFT) * BIT[modality]
    return features_stream(rng, f"{modality}.sample", modality, centre_ND, video_N, length_N)


def _vectors() -> Vectors:
    """16 wide, four dimensions each: valence, intensity, whether it is an affect word, nothing; and
    noise in all.
    """
    neutral_words = {
        w for text in (*SENTIMENT.words, *SENTIMENT.glosses) for w in words_of(text)
    } | {*FILLERS.split()}
    meaning = dict.fromkeys(sorted(neutral_words), (0.0, 0.0, 0.0, 0.0))
    meaning |= {
        word: (0.5 * level, 0.5 * abs(level) - 0.75, 0.75, 0.0) for word, level in _AFFECT.items()
    }
    meaning |= dict.fromkeys(STRONGER.split(), (0.0, 1.25, 0.0, 0.0)) | dict.fromkeys(
        WEAKER.split(), (0.0, -0.75, 0.0, 0.0)
    )
    centre_VD = np.repeat(np.array(list(meaning.values())), 4, axis=1)
    matrix = (centre_VD + 0.15 * np.random.default_rng(0).normal(size=centre_VD.shape)).astype(
        np.float32
    )
    return Vectors("sample", tuple(meaning), matrix, sha256(matrix.tobytes()).hexdigest())


def _posterior(
    flip: float, words: Stream, audio: Stream, video: Stream
) -> Callable[[frozenset[Modality]], np.ndarray]:
    """Bayes' rule over level, flip and bits. A modality that is not named, or missing in a row,
    leaves its likelihoods all equal.
    """

    def bit_law(stream: Stream) -> np.ndarray:
        """[N]: P(bit | steps). The log odds of two Gaussians at +-SHIFT are 2 SHIFT x, added up
        over dimensions and steps.
        """
        bit_D = BIT[stream.modality]
        evidence_N1 = sum_of_steps(stream.values[:, : len(bit_D)] * bit_D, stream)
        return 0.5 + 0.5 * np.tanh(SHIFT * evidence_N1.sum(axis=1))

    def posterior(modalities: frozenset[Modality]) -> np.ndarray:
        a_N, v_N = (
            bit_law(s) if s.modality in modalities else np.full(len(s.length), 0.5)
            for s in (audio, video)
        )
        differ_N = a_N * (1 - v_N) + v_N * (1 - a_N)
        flip_N1, keep_N1 = (flip * differ_N)[:, None], ((1 - flip) * (1 - differ_N))[:, None]
        log_NS = (
            sum_of_steps(np.log(_word_law()).T[words.values], words)
            if "text" in modalities
            else np.zeros((len(words.length), 7))
        )
        text_NS = np.exp(log_NS - log_NS.max(axis=1, keepdims=True))
        p_NK = LEVELS * (keep_N1 * text_NS + flip_N1 * text_NS[:, ::-1])
        p_NK /= p_NK.sum(axis=1, keepdims=True)
        return p_NK

    return posterior
