"""Mean and deviation of a stream over its train rows: what normalisation reads."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from merbench.api.material.corpus import Stream
from merbench.data.streams.valid_steps import steps_key, valid_steps


class Statistics(NamedTuple):
    """Of a ``features`` stream over the valid steps of its train rows; values that are not finite
    are left out.

    ``mean_D``, ``scale_D`` float32: mean and deviation (1 where there is no deviation).
    ``not_finite``: how many values were left out. ``steps``: how many steps were counted.
    """

    mean_D: np.ndarray
    scale_D: np.ndarray
    not_finite: int
    steps: int


def train_statistics(stream: Stream, train_rows: np.ndarray) -> Statistics:
    """Mean and population deviation, accumulated in float64 block by block (Chan, Golub and LeVeque
    1979, eq. 2.1).
    """
    stored = stream.statistics.get(steps_key(stream, train_rows)) if stream.statistics else None
    if stored:
        return Statistics(*stored)
    width = stream.values.shape[1]
    count_D, mean_D, square_D = np.zeros(width), np.zeros(width), np.zeros(width)
    not_finite = steps = 0
    for block_TD in valid_steps(stream, train_rows):
        with np.errstate(over="ignore"):
            x_TD = block_TD.astype(np.float32, copy=False).astype(np.float64)
        finite_TD = np.isfinite(x_TD)
        steps += len(x_TD)
        not_finite += int((~finite_TD).sum())
        n_D = finite_TD.sum(0)
        here_D = np.where(finite_TD, x_TD, 0.0).sum(0) / np.maximum(n_D, 1)
        delta_D = here_D - mean_D
        both_D = np.maximum(count_D + n_D, 1)
        square_here_D = (np.where(finite_TD, x_TD - here_D, 0.0) ** 2).sum(0)
        square_D += square_here_D + delta_D**2 * count_D * n_D / both_D
        mean_D += delta_D * n_D / both_D
        count_D += n_D
    scale_D = np.sqrt(square_D / np.maximum(count_D, 1))
    # Below the resolution of float32 a deviation is rounding noise of a constant, and dividing by
    # it would blow up other rows.
    f32 = np.finfo(np.float32)
    scale_D[scale_D <= f32.tiny + f32.eps * np.abs(mean_D)] = 1.0
    return Statistics(mean_D.astype(np.float32), scale_D.astype(np.float32), not_finite, steps)
