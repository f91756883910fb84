"""Segments that a data set holds twice: two rows of one video over the same seconds.

MOSEI's labels give 27 segments to two rows with two labels; MOSI's do so too. Their ids differ, so
nothing else finds them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from merbench.api.material.corpus import Corpus
from merbench.api.material.delimited import number_of

LEAST_OVERLAP = 0.9
"""Share of the seconds of either row that are of both."""

MOST_ROWS = 0.1
"""Share of the rows that may be held twice."""


def same_segments(videos: Sequence[str] | np.ndarray, times_N2: np.ndarray) -> np.ndarray:
    """[P, 2]: pairs of rows of one video whose intervals (start, end; NaN = unknown) overlap by
    ``LEAST_OVERLAP`` of their union.
    """
    _, video_N = np.unique(np.asarray(videos), return_inverse=True)
    known = np.flatnonzero(np.isfinite(times_N2).all(axis=1) & (times_N2[:, 0] < times_N2[:, 1]))
    order = known[np.lexsort((times_N2[known, 0], video_N[known]))]
    pairs = []
    for distance in range(1, len(order)):
        earlier, later = order[:-distance], order[distance:]
        overlaps = (video_N[earlier] == video_N[later]) & (
            times_N2[earlier, 1] > times_N2[later, 0]
        )
        if not overlaps.any():
            break
        first, second = earlier[overlaps], later[overlaps]
        start, end = times_N2[:, 0], times_N2[:, 1]
        overlap = np.minimum(end[first], end[second]) - start[second]
        union = np.maximum(end[first], end[second]) - start[first]
        same = overlap >= LEAST_OVERLAP * union
        pairs.append(np.sort(np.stack([first[same], second[same]], axis=1), axis=1))
    return np.concatenate([np.zeros((0, 2), dtype=np.int64), *pairs])


def labelled_twice(videos: Sequence[str] | np.ndarray, times_N2: np.ndarray) -> np.ndarray:
    """[P, 2]: ``same_segments``; none where they are so many that times must be counted from the
    start of each row, not of its video.
    """
    pairs = same_segments(videos, times_N2)
    return pairs if len(np.unique(pairs)) <= MOST_ROWS * len(times_N2) else pairs[:0]


def times_of(columns: Mapping[str, Sequence[str]]) -> np.ndarray | None:
    """[N, 2] of the columns ``start`` and ``end``, in seconds; NaN where a cell is no number. None
    where there are no such columns.
    """
    if not {"start", "end"} <= columns.keys():
        return None
    return np.array([[_seconds(cell) for cell in columns[name]] for name in ("start", "end")]).T


def times_in(corpus: Corpus) -> np.ndarray | None:
    """[N, 2]: when each row starts and ends, of its table or else of its first and last word."""
    if corpus.times is not None:
        return corpus.times
    for stream in corpus.streams.values():
        if stream.kind == "words" and stream.times is not None:
            times_N2 = np.full((len(corpus), 2), np.nan)
            rows = np.flatnonzero(stream.length)
            first = stream.start[rows]
            times_N2[rows, 0] = stream.times[first, 0]
            times_N2[rows, 1] = stream.times[first + stream.length[rows] - 1, 1]
            return times_N2
    return None


def _seconds(cell: str) -> float:
    try:
        return number_of(cell)
    except ValueError:
        return np.nan
