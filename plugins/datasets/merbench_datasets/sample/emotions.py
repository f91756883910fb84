"""The task ``emotions`` of the control set: six labels, of which some show in one modality, some in
a pair alone, and some hardly at all but through the labels that they occur with.

The law, for each utterance on its own:

* its set of labels y is drawn in proportion to exp(sum of FIELD over the labels in y, and of
  COUPLING over the pairs in y): anger and disgust occur together, fear (rare) with sadness and
  surprise, happiness with none of the negative ones.
* text has PLACES places for words of each label, each filled at the rate that WORD gives for an
  absent and for a present label, and 4 to 8 fillers or unknown words, in any order.
* for each label of DIRECT, one dimension of that modality is moved up where the label is present
  and down where it is not.
* for each label of PAIR, audio carries a fair bit a, and video carries a xor "present", each moving
  one dimension by BIT: either alone says nothing, both together tell the label.
* every step of audio and video has Gaussian noise of variance 1 in all dimensions, and each video
  (its speaker) an offset in two more. Each modality is missing at its own rate; never all three.

Given y, what shows one label does not depend on the others: so the evidence of each label can be
read by itself, and what the labels say of each other comes on top, exactly. The words of a label
include its name and those of its gloss, and in the vectors words of labels that occur together are
alike: the names of the labels carry both meaning and co-occurrence.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from hashlib import sha256
from itertools import product
from typing import Any

import numpy as np

from merbench.api import (
    GLOSSES,
    LabelSpace,
    Law,
    Lexicon,
    Modality,
    Stream,
    Task,
    Vectors,
    words_of,
)
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

WORDS = {
    "happy": "happy joy pleasure smiling glad cheerful delighted laughing",
    "sad": "sad sorrow loss crying unhappy lonely grief weeping",
    "anger": "anger angry furious mad unfair rage shouting outraged",
    "surprise": "surprise surprised sudden unexpected astonished wow amazed startled",
    "disgust": "disgust sick gross dirty offensive nasty revolting filthy",
    "fear": "fear afraid scared worried danger terrified nervous panic",
}
LABELS = tuple(WORDS)
FIELD = np.array([0.4, -1.0, -2.0, -3.0, -3.4, -5.2])
COUPLING = {
    ("happy", "sad"): -2.5,
    ("happy", "anger"): -2.5,
    ("happy", "surprise"): 0.6,
    ("happy", "disgust"): -2.5,
    ("happy", "fear"): -1.5,
    ("sad", "anger"): 0.6,
    ("sad", "disgust"): 0.4,
    ("sad", "fear"): 3.0,
    ("anger", "disgust"): 4.0,
    ("surprise", "fear"): 3.6,
}
PLACES = 3
WORD = {
    "happy": (0.05, 0.50),
    "sad": (0.05, 0.40),
    "anger": (0.05, 0.15),
    "surprise": (0.03, 0.25),
    "disgust": (0.05, 0.15),
    "fear": (0.03, 0.10),
}
"""Rate at which a place holds a word of the label where it is absent, and where it is present."""
FILL = (4, 8)
UNKNOWN_SHARE = 0.05
"""Of the fillers: words without a vector."""
DIRECT: dict[Modality, dict[str, float]] = {
    "audio": {"sad": 0.15, "fear": 0.05},
    "video": {"happy": 0.20, "disgust": 0.05},
}
PAIR = ("anger", "surprise")
BIT = 0.5
LONGEST = 12
"""Steps of audio and video: SHORTEST to LONGEST."""

SETS_KC = np.array(list(product((0, 1), repeat=len(LABELS))))
"""Every set of labels."""
_VOCAB = (
    *(word for line in WORDS.values() for word in line.split()),
    *FILLERS.split(),
    *UNKNOWN.split(),
)


def set_law() -> np.ndarray:
    """[64]: probability of each of SETS_KC."""
    coupling_CC = np.zeros((len(LABELS), len(LABELS)))
    for (a, b), strength in COUPLING.items():
        coupling_CC[LABELS.index(a), LABELS.index(b)] = strength
    weight_K = np.exp(SETS_KC @ FIELD + np.einsum("ki,ij,kj->k", SETS_KC, coupling_CC, SETS_KC))
    law: np.ndarray = weight_K / weight_K.sum()
    return law


def make_emotions(config: Any, video_N: np.ndarray) -> tuple[Task, tuple[Stream, ...]]:
    """The task and its streams, for utterances of the given videos; seed and missing rates are the
    data set's.
    """
    n = len(video_N)
    rng = np.random.default_rng([config.seed, 1])
    present_NC = SETS_KC[rng.choice(len(SETS_KC), size=n, p=set_law())]
    missing_NM = missing_modalities(rng, n, config)

    words = _words(rng, present_NC, missing_NM[:, 0])
    bits_NP = rng.random((n, len(PAIR))) < 0.5
    in_pair_NP = present_NC[:, [LABELS.index(label) for label in PAIR]] == 1
    audio = _steps(rng, "audio", present_NC, bits_NP, video_N, missing_NM[:, 1])
    video = _steps(rng, "video", present_NC, bits_NP ^ in_pair_NP, video_N, missing_NM[:, 2])
    task = Task(
        LabelSpace("multilabel", LABELS, tuple(GLOSSES[label] for label in LABELS)),
        present_NC.astype(np.float64),
        streams=(words.name, audio.name, video.name),
        lexicon=Lexicon((_vectors(),)),
        law=law_of_ratios(partial(_log_ratios, words, audio, video)),
    )
    return task, (words, transcript_stream("text.emotions_transcript", words), audio, video)


def _words(rng: np.random.Generator, present_NC: np.ndarray, missing_N: np.ndarray) -> Stream:
    n, words_per_label = len(present_NC), len(_words_of_label(0))
    absent_C, present_C = np.array([WORD[label] for label in LABELS]).T
    rate_NC = np.where(present_NC == 1, present_C, absent_C)
    # [N, C, PLACES] number of the word in each place, -1 = none, and then the fillers.
    filled_NCP = rng.random((n, len(LABELS), PLACES)) < rate_NC[:, :, None]
    label_word_NCP = (
        rng.integers(words_per_label, size=filled_NCP.shape)
        + words_per_label * np.arange(len(LABELS))[:, None]
    )
    fillers_NF = rng.choice(
        np.arange(words_per_label * len(LABELS), len(_VOCAB)), size=(n, FILL[1]), p=_filler_law()
    )
    used_NF = np.arange(FILL[1]) < rng.integers(*FILL, size=n, endpoint=True)[:, None]
    word_NW = np.hstack(
        [np.where(filled_NCP, label_word_NCP, -1).reshape(n, -1), np.where(used_NF, fillers_NF, -1)]
    )
    word_NW[missing_N] = -1
    order_NW = rng.random(word_NW.shape).argsort(axis=1)
    word_NW = np.take_along_axis(word_NW, order_NW, axis=1)
    said_NW = word_NW >= 0
    return words_stream(rng, "text.emotions", _VOCAB, word_NW[said_NW], said_NW.sum(axis=1))


def _words_of_label(label: int) -> list[str]:
    return WORDS[LABELS[label]].split()


def _filler_law() -> np.ndarray:
    filler_F = 1 / np.arange(1, len(FILLERS.split()) + 1)  # Zipf's law
    unknown_U = np.ones(len(UNKNOWN.split()))
    return np.concatenate(
        [
            (1 - UNKNOWN_SHARE) * filler_F / filler_F.sum(),
            UNKNOWN_SHARE * unknown_U / unknown_U.sum(),
        ]
    )


def _steps(
    rng: np.random.Generator,
    modality: Modality,
    present_NC: np.ndarray,
    bits_NP: np.ndarray,
    video_N: np.ndarray,
    missing_N: np.ndarray,
) -> Stream:
    """Dimensions: the labels of DIRECT, those of PAIR, and two of the speaker."""
    direct_ND = np.stack(
        [
            np.where(present_NC[:, LABELS.index(label)] == 1, shift, -shift)
            for label, shift in DIRECT[modality].items()
        ],
        axis=1,
    )
    centre_ND = np.hstack([direct_ND, np.where(bits_NP, BIT, -BIT)])
    length_N = rng.integers(SHORTEST, LONGEST, size=len(video_N), endpoint=True)
    return features_stream(
        rng, f"{modality}.emotions", modality, centre_ND, video_N, np.where(missing_N, 0, length_N)
    )


def label_directions() -> np.ndarray:
    """[C, C]: a unit vector a label; the cosine of two is the correlation of their labels."""
    p_K = set_law()
    rate_C = p_K @ SETS_KC
    covariance_CC = (SETS_KC * p_K[:, None]).T @ SETS_KC - np.outer(rate_C, rate_C)
    deviation_C = np.sqrt(np.diag(covariance_CC))
    direction_CC: np.ndarray = np.linalg.cholesky(
        covariance_CC / np.outer(deviation_C, deviation_C)
    )
    return direction_CC


def _vectors() -> Vectors:
    """24 wide, three dimensions each: six in which labels lie as far apart as they seldom occur
    together, whether it is a word of a label, nothing; and noise in all.
    """
    direction_CC = label_directions()
    neutral_words = sorted({w for c in LABELS for w in words_of(GLOSSES[c])} | {*FILLERS.split()})
    meaning = {word: np.zeros(8) for word in neutral_words}
    for label, direction_C in enumerate(direction_CC):
        meaning |= dict.fromkeys(_words_of_label(label), np.append(direction_C, [1.0, 0.0]))
    centre_VD = np.repeat(np.stack(list(meaning.values())), 3, axis=1)
    noise_VD = 0.15 * np.random.default_rng(1).normal(size=centre_VD.shape)
    matrix = (centre_VD + noise_VD).astype(np.float32)
    digest = sha256(matrix.tobytes()).hexdigest()
    return Vectors("sample-emotions", tuple(meaning), matrix, digest)


def law_of_ratios(log_ratios: Callable[[frozenset[Modality]], np.ndarray]) -> Law:
    """Of labels that occur together as SETS_KC at ``set_law``, and whose evidence is independent
    given them: ``log_ratios(modalities)`` [N, C] = log P(evidence | present) - log P(evidence |
    absent) of each label.
    """
    p_K = set_law()
    rate_C = p_K @ SETS_KC

    def posterior(modalities: frozenset[Modality]) -> np.ndarray:
        log_NK = np.log(p_K) + log_ratios(modalities) @ SETS_KC.T
        p_NK = np.exp(log_NK - log_NK.max(axis=1, keepdims=True))
        p_NK /= p_NK.sum(axis=1, keepdims=True)
        return p_NK

    def label_by_label(modalities: frozenset[Modality]) -> np.ndarray:
        log_odds_NC = log_ratios(modalities) + np.log(rate_C / (1 - rate_C))
        p_NC: np.ndarray = 0.5 + 0.5 * np.tanh(log_odds_NC / 2)
        return p_NC

    return Law(SETS_KC, posterior, label_by_label)


def _log_ratios(
    words: Stream, audio: Stream, video: Stream, modalities: frozenset[Modality]
) -> np.ndarray:
    """[N, C]: log P(evidence | present) - log P(evidence | absent) of each label; 0 where a
    modality is not given, or missing in a row.
    """
    ratio_NC = np.zeros((len(words.length), len(LABELS)))
    if "text" in modalities:
        words_per_label = len(_words_of_label(0))
        label_T = words.values // words_per_label
        count_NC = sum_of_steps((label_T[:, None] == np.arange(len(LABELS))).astype(float), words)
        absent_C, present_C = np.array([WORD[label] for label in LABELS]).T
        text_NC = count_NC * np.log(present_C / absent_C)
        text_NC += (PLACES - count_NC) * np.log((1 - present_C) / (1 - absent_C))
        ratio_NC += np.where(words.length[:, None] > 0, text_NC, 0.0)
    # The log odds of two Gaussians at +-shift are 2 shift x, added up over the steps.
    log_odds = {s.modality: sum_of_steps(2 * s.values, s) for s in (audio, video)}
    for modality in sorted(modalities & DIRECT.keys()):
        for d, (label, shift) in enumerate(DIRECT[modality].items()):
            ratio_NC[:, LABELS.index(label)] += shift * log_odds[modality][:, d]
    if {"audio", "video"} <= modalities:
        for p, label in enumerate(PAIR):
            a_N = BIT * log_odds["audio"][:, len(DIRECT["audio"]) + p]
            v_N = BIT * log_odds["video"][:, len(DIRECT["video"]) + p]
            # P(bits differ) / P(bits are equal), with the odds e^a and e^v of each bit.
            ratio_NC[:, LABELS.index(label)] += np.logaddexp(a_N, v_N) - np.logaddexp(0, a_N + v_N)
    return ratio_NC
