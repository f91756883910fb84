"""The task ``mentions`` of the control set: the labels of ``emotions`` and how they occur together,
with each label's evidence in steps of its own.

The law, for each utterance on its own:

* its set of labels y is drawn as in ``emotions``.
* text mentions every label 1 to MENTIONS times. A mention is one of its WORDS (it is affirmed) or
  one of DENIED, at the rate that AFFIRMED gives for an absent and for a present label; 1 to 3
  fillers stand among them, in any order.
* each step of audio and of video is about one label, any of them alike: the first dimensions say
  which, exactly, and the last is Gaussian noise of variance 1, moved by VALUE where the label is
  present and by -VALUE where it is not. Each modality is missing at its own rate; never all three.

In the words' vectors one dimension says whether a word affirms or denies, the same for all labels,
and the others say of which label it speaks. So what is read of all steps together tells no label
from another, and who attends to a label's own steps has that label's evidence and nothing else:
what the labels say of each other has to come on top, as from a label graph. Anger and fear hardly
show but through the labels that they occur with.
"""

from __future__ import annotations

from hashlib import sha256
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
from merbench_datasets.sample.emotions import (
    LABELS,
    SETS_KC,
    WORDS,
    label_directions,
    law_of_ratios,
    set_law,
)
from merbench_datasets.sample.streams import (
    FILLERS,
    SHORTEST,
    first_steps,
    missing_modalities,
    sum_of_steps,
    transcript_stream,
    words_stream,
)

DENIED = {
    "happy": "gloomy joyless cheerless dreary",
    "sad": "consoled comforted untroubled carefree",
    "anger": "calm patient gentle peaceful",
    "surprise": "expected routine predictable foreseen",
    "disgust": "clean appetising wholesome spotless",
    "fear": "safe secure brave fearless",
}
MENTIONS = 3
AFFIRMED = {
    "happy": (0.25, 0.75),
    "sad": (0.25, 0.75),
    "anger": (0.46, 0.54),
    "surprise": (0.20, 0.80),
    "disgust": (0.20, 0.80),
    "fear": (0.46, 0.54),
}
"""Rate at which a mention affirms the label where it is absent, and where it is present."""
VALUE = {"happy": 0.4, "sad": 0.4, "anger": 0.05, "surprise": 0.6, "disgust": 0.6, "fear": 0.05}
LONGEST = 12
"""Steps of audio and video: SHORTEST to LONGEST."""
KINSHIP = 0.4
"""How much of a word's vector says which labels its own occurs with."""

_AFFIRMING = [WORDS[label].split() for label in LABELS]
_DENYING = [DENIED[label].split() for label in LABELS]
_VOCAB = (
    *(word for words in _AFFIRMING for word in words),
    *(word for words in _DENYING for word in words),
    *FILLERS.split(),
)
_N_AFFIRMING, _N_DENYING = len(_AFFIRMING[0]), len(_DENYING[0])
_FIRST_DENYING = len(LABELS) * _N_AFFIRMING
_FIRST_FILLER = _FIRST_DENYING + len(LABELS) * _N_DENYING
_ABSENT_C, _PRESENT_C = np.array([AFFIRMED[label] for label in LABELS]).T
_VALUE_C = np.array([VALUE[label] for label in LABELS])


def make_mentions(config: Any, video_N: np.ndarray) -> tuple[Task, tuple[Stream, ...]]:
    """The task and its streams, for utterances of the given videos; seed and missing rates are the
    data set's.
    """
    n = len(video_N)
    rng = np.random.default_rng([config.seed, 2])
    present_NC = SETS_KC[rng.choice(len(SETS_KC), size=n, p=set_law())]
    missing_NM = missing_modalities(rng, n, config)
    words = _words(rng, present_NC, missing_NM[:, 0])
    audio = _steps(rng, "audio", present_NC, missing_NM[:, 1])
    video = _steps(rng, "video", present_NC, missing_NM[:, 2])
    task = Task(
        LabelSpace("multilabel", LABELS, tuple(GLOSSES[label] for label in LABELS)),
        present_NC.astype(np.float64),
        streams=(words.name, audio.name, video.name),
        lexicon=Lexicon((_vectors(),)),
        law=_law(words, audio, video),
    )
    return task, (words, transcript_stream("text.mentions_transcript", words), audio, video)


def _words(rng: np.random.Generator, present_NC: np.ndarray, missing_N: np.ndarray) -> Stream:
    n, labels = present_NC.shape
    # [N, C, MENTIONS] number of the word of each mention, -1 = none, and then the fillers.
    shape = (n, labels, MENTIONS)
    mentioned = np.arange(MENTIONS) < rng.integers(1, MENTIONS, (n, labels, 1), endpoint=True)
    rate_NC = np.where(present_NC == 1, _PRESENT_C, _ABSENT_C)
    affirmed = rng.random(shape) < rate_NC[:, :, None]
    label_C1 = np.arange(labels)[:, None]
    affirming = label_C1 * _N_AFFIRMING + rng.integers(_N_AFFIRMING, size=shape)
    denying = _FIRST_DENYING + label_C1 * _N_DENYING + rng.integers(_N_DENYING, size=shape)
    word_NW = np.where(mentioned, np.where(affirmed, affirming, denying), -1).reshape(n, -1)
    filler_N3 = rng.integers(_FIRST_FILLER, len(_VOCAB), size=(n, 3))
    filler_N3[np.arange(3) >= rng.integers(1, 3, (n, 1), endpoint=True)] = -1
    word_NW = np.hstack([word_NW, filler_N3])
    word_NW[missing_N] = -1
    word_NW = np.take_along_axis(word_NW, rng.random(word_NW.shape).argsort(axis=1), axis=1)
    spoken_NW = word_NW >= 0
    return words_stream(rng, "text.mentions", _VOCAB, word_NW[spoken_NW], spoken_NW.sum(axis=1))


def _steps(
    rng: np.random.Generator, modality: Modality, present_NC: np.ndarray, missing_N: np.ndarray
) -> Stream:
    """Dimensions: which label a step is about (one of C is 1), and its value."""
    length_N = rng.integers(SHORTEST, LONGEST, size=len(present_NC), endpoint=True)
    length_N[missing_N] = 0
    label_T = rng.integers(len(LABELS), size=length_N.sum())
    present_T = present_NC[np.repeat(np.arange(len(length_N)), length_N), label_T] == 1
    value_T = np.where(present_T, 1, -1) * _VALUE_C[label_T] + rng.normal(size=len(label_T))
    values_TD = np.column_stack([np.eye(len(LABELS))[label_T], value_T]).astype(np.float32)
    name = f"{modality}.mentions"
    return Stream(
        name, modality, "features", values_TD, first_steps(length_N), length_N, note="generated"
    )


def _vectors() -> Vectors:
    """Three dimensions each: the label that a word speaks of, those that its label occurs with,
    whether it affirms (1) or denies (-1), nothing; and noise in all.
    """
    neutral_words = sorted({w for c in LABELS for w in words_of(GLOSSES[c])} | {*FILLERS.split()})
    n = len(LABELS)
    meaning = {word: np.zeros(2 * n + 2) for word in neutral_words}
    about_CD = np.hstack([np.eye(n), KINSHIP * label_directions()])
    for label, about_D in enumerate(about_CD):
        meaning |= dict.fromkeys(_AFFIRMING[label], np.append(about_D, [1.0, 0.0]))
        meaning |= dict.fromkeys(_DENYING[label], np.append(about_D, [-1.0, 0.0]))
    centre_VD = np.repeat(np.stack(list(meaning.values())), 3, axis=1)
    noise_VD = 0.1 * np.random.default_rng(2).normal(size=centre_VD.shape)
    matrix = (centre_VD + noise_VD).astype(np.float32)
    return Vectors("sample-mentions", tuple(meaning), matrix, sha256(matrix.tobytes()).hexdigest())


def _law(words: Stream, audio: Stream, video: Stream) -> Law:
    def ratios(modalities: frozenset[Modality]) -> np.ndarray:
        """[N, C]: log P(evidence | present) - log P(evidence | absent)."""
        ratio_NC = np.zeros((len(words.length), len(LABELS)))
        if "text" in modalities:
            ratio_NC += _ratio_of_words(words)
        for stream in (audio, video):
            if stream.modality in modalities:
                about_TC, value_T1 = stream.values[:, :-1], stream.values[:, -1:]
                # The log odds of two Gaussians at +-shift are 2 shift x, added up over the steps.
                ratio_NC += sum_of_steps(2 * _VALUE_C * about_TC * value_T1, stream)
        return ratio_NC

    return law_of_ratios(ratios)


def _ratio_of_words(words: Stream) -> np.ndarray:
    """[N, C], of how often each label is affirmed and denied."""
    label_T = words.values
    affirms_TC = label_T[:, None] // _N_AFFIRMING == np.arange(len(LABELS))
    denying_T = label_T - _FIRST_DENYING
    denies_TC = (denying_T[:, None] // _N_DENYING == np.arange(len(LABELS))) & (
        denying_T[:, None] >= 0
    )
    log_T = affirms_TC * np.log(_PRESENT_C / _ABSENT_C)
    log_T = log_T + denies_TC * np.log((1 - _PRESENT_C) / (1 - _ABSENT_C))
    return sum_of_steps(log_T, words)
