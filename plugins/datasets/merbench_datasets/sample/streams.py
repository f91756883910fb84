"""How the streams of the control set are made: words with times, transcripts, noisy steps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from merbench.api import Modality, Stream

FILLERS = (
    "the and a i it of to is was this that in you movie he with they film but for so there on at "
    "as she have are story we like about one "
    "just when actor scene really people end character think some see"
)
UNKNOWN = "umm uhh hmm erm"
"""In transcripts, without a vector."""
SHORTEST = 4
"""Steps of the shortest row that has any."""
SPEAKER = 0.3
"""Standard deviation of a video's offset."""


def first_steps(length_N: np.ndarray) -> np.ndarray:
    """[N]: where each row starts when rows lie one after the other."""
    starts: np.ndarray = np.cumsum(length_N) - length_N
    return starts


def missing_modalities(rng: np.random.Generator, n: int, config: Any) -> np.ndarray:
    """[n, text audio video] bool, each at its own rate (``missing_text``, ...), never all three."""
    rates = (config.missing_text, config.missing_audio, config.missing_video)
    missing_NM: np.ndarray = rng.random((n, 3)) < rates
    missing_NM[missing_NM.all(axis=1)] = False
    return missing_NM


def words_stream(
    rng: np.random.Generator,
    name: str,
    vocab: Sequence[str],
    word_T: np.ndarray,
    length_N: np.ndarray,
) -> Stream:
    """Words of .15 to .45 s, each row from 0 s on."""
    start_N = first_steps(length_N)
    clock_T = np.concatenate([[0.0], np.cumsum(rng.uniform(0.15, 0.45, size=len(word_T)))])
    times_T2 = (
        np.stack([clock_T[:-1], clock_T[1:]], axis=1)
        - np.repeat(clock_T[start_N], length_N)[:, None]
    )
    return Stream(
        name,
        "text",
        "words",
        word_T,
        start_N,
        length_N,
        vocab=tuple(vocab),
        times=times_T2,
        note="generated",
    )


def transcript_stream(name: str, words: Stream) -> Stream:
    """The words of each row as one text."""
    word_T = np.array(words.vocab)[words.values].tolist()
    rows = zip(words.start.tolist(), words.length.tolist(), strict=True)
    texts = np.array([" ".join(word_T[start : start + length]) for start, length in rows])
    return Stream.of_rows(name, "text", "strings", texts, note=f"the words of {words.name}")


def features_stream(
    rng: np.random.Generator,
    name: str,
    modality: Modality,
    centre_ND: np.ndarray,
    video_N: np.ndarray,
    length_N: np.ndarray,
) -> Stream:
    """Each step is the row's centre and, in two dimensions more, its video's offset, with Gaussian
    noise of variance 1 in all.
    """
    offset_N2 = SPEAKER * rng.normal(size=(video_N.max() + 1, 2))[video_N]
    x_TD = np.repeat(np.hstack([centre_ND, offset_N2]), length_N, axis=0)
    values_TD = (x_TD + rng.normal(size=x_TD.shape)).astype(np.float32)
    return Stream(
        name,
        modality,
        "features",
        values_TD,
        first_steps(length_N),
        length_N,
        note="generated",
    )


def sum_of_steps(values_TK: np.ndarray, stream: Stream) -> np.ndarray:
    """[N, K]: sum over each row's steps, 0 where there are none."""
    total = np.concatenate(
        [np.zeros((1, values_TK.shape[1])), np.cumsum(values_TK, axis=0, dtype=np.float64)]
    )
    sums: np.ndarray = total[stream.start + stream.length] - total[stream.start]
    return sums
