"""Softmax and resampling over real steps alone."""

from __future__ import annotations

import torch
from torch import Tensor

from merbench.api import Steps, compact


def masked_softmax(score: Tensor, mask: Tensor, dim: int) -> Tensor:
    """Softmax over the places where ``mask`` (broadcast to ``score``) is True; 0 elsewhere, and
    everywhere in a row that has none.
    """
    filled = score.masked_fill(~mask, torch.finfo(score.dtype).min)
    return torch.where(mask, filled.softmax(dim), 0.0)


def resample(steps: Steps, length: int) -> Steps:
    """[B, length, D]: the real steps of each row, stretched to ``length`` by linear interpolation.

    Step k of the result stands at (k + 1/2) / length of the row's real duration. A row without a
    real step stays masked.
    """
    x_BLD, mask_BL = compact(steps)
    n_B1 = mask_BL.sum(1, keepdim=True)
    fraction_K = (torch.arange(length, device=x_BLD.device) + 0.5) / length
    at_BK = (fraction_K * n_B1 - 0.5).clamp(min=0.0).minimum((n_B1 - 1).clamp(min=0).float())
    low_BK = at_BK.floor().long()
    high_BK = (low_BK + 1).minimum((n_B1 - 1).clamp(min=0))
    weight_BK1 = (at_BK - low_BK)[..., None].to(x_BLD.dtype)
    rows_B1 = torch.arange(len(x_BLD), device=x_BLD.device)[:, None]
    x_BKD = torch.lerp(x_BLD[rows_B1, low_BK], x_BLD[rows_B1, high_BK], weight_BK1)
    return Steps(x_BKD, mask_BL.any(1, keepdim=True).expand(-1, length))
