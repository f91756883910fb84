"""Softmax over real steps alone."""

from __future__ import annotations

import torch
from torch import Tensor


def masked_softmax(score: Tensor, mask: Tensor, dim: int) -> Tensor:
    """Softmax over the places where ``mask`` (broadcast to ``score``) is True; 0 elsewhere, and
    everywhere in a row that has none.
    """
    filled = score.masked_fill(~mask, torch.finfo(score.dtype).min)
    return torch.where(mask, filled.softmax(dim), 0.0)
