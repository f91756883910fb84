"""Words whose times are of another source than those of their rows: they lie outside the rows.

A table without ``start`` and ``end`` takes them from the first source that has them; the words that
are there may have been timed by another, or be counted from the start of each row.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from merbench.api.material.corpus import Corpus, Stream

ROUNDED = 0.02
"""Seconds: sources print times with two digits and more."""


def words_elsewhere(corpus: Corpus) -> Iterator[tuple[str, str]]:
    """``(stream, sentence)`` of each stream of words of which some lie wholly outside their row."""
    if corpus.times is None:
        return
    for stream in corpus.streams.values():
        if stream.kind != "words" or stream.times is None:
            continue
        apart_N = _seconds_outside(stream, stream.times, corpus.times)
        if rows := int((apart_N > ROUNDED).sum()):
            sentence = (
                f"{rows:,} of {len(corpus):,} rows have words before their start or after their "
                f"end, by up to {apart_N.max():.3g} s, so the times of the words and those of the "
                "rows are of two sources, or are not counted from the same moment"
            )
            yield stream.name, sentence


def _seconds_outside(stream: Stream, word_times_T2: np.ndarray, times_N2: np.ndarray) -> np.ndarray:
    """[N]: how far each row's farthest word is from its interval; 0 where all touch it, and where a
    time is unknown (not finite).
    """
    row_L = np.repeat(np.arange(len(stream.length)), stream.length)
    first_L = np.repeat(stream.start - (np.cumsum(stream.length) - stream.length), stream.length)
    word_L2 = word_times_T2[first_L + np.arange(len(row_L))]
    row_L2 = times_N2[row_L]
    known_L = np.isfinite(word_L2).all(axis=1) & np.isfinite(row_L2).all(axis=1)
    word_K2, row_K2 = word_L2[known_L], row_L2[known_L]
    apart_K = np.maximum(row_K2[:, 0] - word_K2[:, 1], word_K2[:, 0] - row_K2[:, 1])
    apart_N = np.zeros(len(stream.length))
    np.maximum.at(apart_N, row_L[known_L], apart_K)
    return apart_N
