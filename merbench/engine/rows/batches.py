"""Which rows make a batch."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from merbench.api import Modality, Prepared

POOL = 32
"""Batches whose rows are sorted together: enough for little padding, few enough that a row meets
others in each epoch.
"""


def lengths(inputs: Mapping[Modality, Prepared]) -> Tensor | None:
    """[N] steps of each row, over all modalities that know theirs; None where none does."""
    known = [p.length_N for p in inputs.values() if hasattr(p, "length_N")]
    return torch.stack(known).sum(0) if known else None


def of_like_length(length_N: Tensor, size: int, draw: torch.Generator) -> list[Tensor]:
    """Every row once, in batches of ``size`` rows of like length, in an order that is drawn.

    Rows are shuffled, sorted by length in pools of ``POOL`` batches, and cut into batches, which
    are shuffled again. Only the last batch of the last pool may be smaller.
    """
    order_N = torch.randperm(len(length_N), generator=draw)
    batches: list[Tensor] = []
    for rows in order_N.split(POOL * size):
        batches += rows[length_N[rows].argsort(stable=True)].split(size)
    return [batches[place] for place in torch.randperm(len(batches), generator=draw).tolist()]
