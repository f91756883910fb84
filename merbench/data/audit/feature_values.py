"""What the values of a ``features`` stream hold, in one pass over its real steps: gaps, dead and
constant dimensions, padding, and the mean of each row for the probe."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from merbench.api.material.corpus import Stream
from merbench.data.streams.valid_steps import valid_steps


@dataclass(frozen=True)
class Values:
    """``constant``: dimensions with one value everywhere; ``dead``: those of them that are 0.
    ``not_finite``: NaN and infinite values.

    ``zero_rows``: rows whose every value is 0, which are missing in truth. ``zero_first``,
    ``zero_last``: share of the rows of two or more steps that begin, or end, with a step of zeros:
    padding that counts as real. ``repeated``: rows [R] that have the very values of an earlier row,
    and ``repeats`` which.
    """

    constant: list[int]
    dead: list[int]
    not_finite: int
    zero_rows: int
    zero_first: float
    zero_last: float
    repeated: np.ndarray
    repeats: np.ndarray


class Scanned(NamedTuple):
    """``mean_ND`` float32: mean over each row's steps, values that are not finite left out (0 where
    there are none).
    """

    values: Values
    mean_ND: np.ndarray


def scan(stream: Stream) -> Scanned:
    """One pass over a ``features`` stream, in bounded memory beyond the row means."""
    rows = np.flatnonzero(stream.length > 0)
    width = stream.values.shape[1]
    low_D, high_D = np.full(width, np.inf), np.full(width, -np.inf)
    mean_ND = np.zeros((len(stream.length), width), dtype=np.float32)
    not_finite = offset = 0
    zero_R, first_R, last_R, finite_R = (np.zeros(len(rows), dtype=bool) for _ in range(4))
    for block_TD in valid_steps(stream, rows):
        n = _rows_in(stream.length[rows[offset:]], len(block_TD))
        length = stream.length[rows[offset : offset + n]].astype(np.int64)
        start = np.cumsum(length) - length
        with np.errstate(over="ignore"):
            x_TD = block_TD.astype(np.float32, copy=False)
        finite_TD = np.isfinite(x_TD)
        not_finite += int((~finite_TD).sum())
        low_D = np.minimum(low_D, np.where(finite_TD, x_TD, np.inf).min(axis=0))
        high_D = np.maximum(high_D, np.where(finite_TD, x_TD, -np.inf).max(axis=0))
        total = np.add.reduceat(np.where(finite_TD, x_TD, 0).astype(np.float64), start, axis=0)
        mean_ND[rows[offset : offset + n]] = total / np.maximum(
            np.add.reduceat(finite_TD.astype(np.int64), start, axis=0), 1
        )
        zero_T = (x_TD == 0).all(axis=1)
        finite_R[offset : offset + n] = np.logical_or.reduceat(finite_TD.any(axis=1), start)
        zero_R[offset : offset + n] = np.logical_and.reduceat(zero_T, start)
        first_R[offset : offset + n] = zero_T[start]
        last_R[offset : offset + n] = zero_T[start + length - 1]
        offset += n
    long_R = (stream.length[rows] > 1) & ~zero_R
    repeated, repeats = _repeats(stream, mean_ND, rows[finite_R & ~zero_R])
    constant = np.flatnonzero(low_D >= high_D)
    return Scanned(
        Values(
            constant.tolist(),
            [int(d) for d in constant if high_D[d] in (0, -np.inf)],
            not_finite,
            int(zero_R.sum()),
            float(first_R[long_R].mean()) if long_R.any() else 0.0,
            float(last_R[long_R].mean()) if long_R.any() else 0.0,
            repeated,
            repeats,
        ),
        mean_ND,
    )


def _rows_in(lengths: np.ndarray, steps: int) -> int:
    """How many of the next rows make up a block of so many steps."""
    return int(np.searchsorted(np.cumsum(lengths), steps)) + 1


def _repeats(
    stream: Stream, mean_ND: np.ndarray, rows: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """``(rows that repeat, the earlier row of each)``; of one or two dimensions equal values mean
    nothing. Equal means name the pairs whose values are compared.
    """
    if mean_ND.shape[1] < 3 or not len(rows):
        return rows[:0], rows[:0]
    row_bytes = np.ascontiguousarray(mean_ND[rows]).view(
        np.dtype((np.void, mean_ND.itemsize * mean_ND.shape[1]))
    )[:, 0]
    _, first_rows, inverse = np.unique(row_bytes, return_index=True, return_inverse=True)
    earlier = rows[first_rows[inverse]]
    is_repeat = earlier != rows
    for place in np.flatnonzero(is_repeat):
        own, other = _values(stream, rows[place]), _values(stream, earlier[place])
        is_repeat[place] = np.array_equal(own, other, equal_nan=True)
    return rows[is_repeat], earlier[is_repeat]


def _values(stream: Stream, row: int) -> np.ndarray:
    return stream.values[stream.start[row] :][: stream.length[row]]
