"""Which rows make a batch."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from merbench.api import Modality, Prepared

POOL = 32
"""Batches whose rows are sorted together: enough for little padding, few enough that a row meets
others in each epoch.
"""


def lengths(inputs: Mapping[Modality, Prepared]) -> Tensor | None:
    """[N] steps of each row, over all modalities that know theirs; None where none does."""
    lengths_by_modality = [p.length_N for p in inputs.values() if hasattr(p, "length_N")]
    return torch.stack(lengths_by_modality).sum(0) if lengths_by_modality else None


def of_like_length(length_N: Tensor, size: int, draw: torch.Generator) -> list[Tensor]:
    """Every row once, in batches of ``size`` rows of like length, in an order that is drawn.

    Rows are shuffled, sorted by length in pools of ``POOL`` batches, and cut into batches, which
    are shuffled again. Only the last batch of the last pool may be smaller.
    """
    order_N = torch.randperm(len(length_N), generator=draw)
    batches: list[Tensor] = []
    for rows in order_N.split(POOL * size):
        batches += rows[length_N[rows].argsort(stable=True)].split(size)
    return [batches[index] for index in torch.randperm(len(batches), generator=draw).tolist()]


def within_budget(length_n: np.ndarray, budget: int) -> list[np.ndarray]:
    """Places of ``length_n``, the longest first: rows x longest is at most ``budget`` steps, or the
    batch is one row. ([3, 9, 2], 6) -> [[1], [0, 2]].
    """
    order = np.argsort(-length_n, kind="stable")
    batches: list[list[int]] = []
    for row in order.tolist():
        if batches and (len(batches[-1]) + 1) * max(1, length_n[batches[-1][0]]) <= budget:
            batches[-1].append(row)
        else:
            batches.append([row])
    return [np.array(rows) for rows in batches]
