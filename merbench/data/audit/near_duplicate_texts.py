"""Twins: rows of different splits with the same, or nearly the same, text.

Nearly the same: the sets of five-letter pieces of two texts have a Jaccard index of at least
``LIKE``. Candidates come from MinHash (Broder 1997) with 16 bands of 4 hashes, which misses one
pair in a hundred at .7, and each is then compared for real. Short texts ("yeah") are the same by
nature and are only counted.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from merbench.api.material.word_vectors import words_of

LIKE = 0.7
SHORT = 5
"""Texts of fewer words are not compared."""
_PIECE, _BANDS, _HASHES = 5, 16, 4
_CROWD = 100
"""In a bucket of more texts each is compared with its neighbours alone; nothing but one text with
small changes fills such a bucket.
"""


@dataclass(frozen=True)
class Twins:
    """``text_N``: the number of each row's text, rows with the same words having the same, -1 = too
    short or missing.

    ``near``: (text, text, Jaccard index) of the pairs that are nearly the same.
    """

    text_N: np.ndarray
    near: list[tuple[int, int, float]]

    def across(self, group_N: np.ndarray) -> list[tuple[int, int, float]]:
        """(row, row, likeness): for each row that has a twin in another group, its likest one.
        Group -1 is left out.
        """
        rows_of = defaultdict(list)
        for row in np.flatnonzero((self.text_N >= 0) & (group_N >= 0)).tolist():
            rows_of[int(self.text_N[row])].append(row)
        likest: dict[int, tuple[int, float]] = {}

        def meet(rows_a: list[int], rows_b: list[int], like: float) -> None:
            row_of_group: dict[int, int] = {}  # a row of each group is enough
            for row in rows_b:
                row_of_group.setdefault(int(group_N[row]), row)
            for row in rows_a:
                twin = next((other for g, other in row_of_group.items() if g != group_N[row]), None)
                if twin is not None and like > likest.get(row, (0, 0.0))[1]:
                    likest[row] = twin, like

        for rows in rows_of.values():
            meet(rows, rows, 1.0)
        for a, b, like in self.near:
            meet(rows_of[a], rows_of[b], like)
            meet(rows_of[b], rows_of[a], like)
        return [(row, twin, like) for row, (twin, like) in sorted(likest.items())]


def twins(texts: Sequence[str]) -> Twins:
    """Every pair of texts that are the same or nearly the same, lower case, without punctuation."""
    words = [words_of(str(text)) for text in texts]
    number: dict[str, int] = {}
    text_N = np.array(
        [number.setdefault(" ".join(w), len(number)) if len(w) >= SHORT else -1 for w in words],
        dtype=np.int64,
    )
    return Twins(text_N, _near(list(number)))


def _near(texts: list[str]) -> list[tuple[int, int, float]]:
    if len(texts) < 2:
        return []
    piece_T, start_N = _pieces(texts)
    seeds = np.random.default_rng(0).integers(0, 2**64, size=(2, _BANDS * _HASHES), dtype=np.uint64)
    pairs: set[tuple[int, int]] = set()
    for band in range(_BANDS):
        key_N = np.zeros(len(texts), dtype=np.uint64)
        for k in range(band * _HASHES, (band + 1) * _HASHES):
            # The high bits of a product with an odd number mix well (Dietzfelbinger et al. 1997);
            # the low ones do not.
            hashed_T = (piece_T * (seeds[0, k] | np.uint64(1)) + seeds[1, k]) >> np.uint64(16)
            key_N = (key_N ^ np.minimum.reduceat(hashed_T, start_N)) * np.uint64(0x9E3779B97F4A7C15)
        order = np.argsort(key_N, kind="stable")
        for bucket in np.split(order, np.flatnonzero(np.diff(key_N[order])) + 1):
            members = sorted(bucket.tolist())
            for i, a in enumerate(members):
                pairs.update(
                    (a, b) for b in members[i + 1 : None if len(members) <= _CROWD else i + 2]
                )
    end_N = np.append(start_N[1:], len(piece_T))
    sets: dict[int, frozenset[int]] = {}

    def pieces(i: int) -> frozenset[int]:
        if i not in sets:
            sets[i] = frozenset(piece_T[start_N[i] : end_N[i]].tolist())
        return sets[i]

    likenesses = (
        (a, b, len(pieces(a) & pieces(b)) / len(pieces(a) | pieces(b))) for a, b in sorted(pairs)
    )
    return [(a, b, like) for a, b, like in likenesses if like >= LIKE]


def _pieces(texts: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """``(hash of every five letters in a row [T] uint64, where each text's begin [N])``. Texts are
    longer than five letters.
    """
    letter_T = np.frombuffer("".join(texts).encode("utf-32-le"), dtype=np.uint32).astype(np.uint64)
    length_N = np.array([len(text) for text in texts])
    piece_T = np.zeros(len(letter_T) - _PIECE + 1, dtype=np.uint64)
    for k in range(_PIECE):
        piece_T = piece_T * np.uint64(0x100000001B3) + letter_T[k : len(letter_T) - _PIECE + 1 + k]
    # A piece that would run into the next text is no piece.
    within = np.arange(len(letter_T)) - np.repeat(np.cumsum(length_N) - length_N, length_N)
    inside_T = (within <= np.repeat(length_N - _PIECE, length_N))[: len(piece_T)]
    count_N = length_N - _PIECE + 1
    return piece_T[inside_T] ^ (piece_T[inside_T] >> np.uint64(29)), np.cumsum(count_N) - count_N
