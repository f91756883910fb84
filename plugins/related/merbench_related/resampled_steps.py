"""Sequences brought to other lengths by their real steps: interpolated, or long ones pooled."""

from __future__ import annotations

import torch
from torch import Tensor

from merbench.api import Steps, compact


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


def shorten(steps: Steps, longest: int) -> Steps:
    """At most ``longest`` steps a row: step l of n goes into bin l * longest // n, and a bin is the
    mean of its steps. A row that has no more keeps them as they are. Real steps come first.
    """
    x_BLD, mask_BL = compact(steps)
    if x_BLD.shape[1] <= longest:
        return Steps(x_BLD, mask_BL)
    n_B1 = mask_BL.sum(1, keepdim=True)
    at_L = torch.arange(x_BLD.shape[1], device=x_BLD.device)
    bin_BL = torch.where(n_B1 > longest, at_L * longest // n_B1.clamp(min=1), at_L)
    bins_K = torch.arange(longest, device=x_BLD.device)
    member_BKL = (bin_BL[:, None] == bins_K[:, None]) & mask_BL[:, None]
    size_BK1 = member_BKL.sum(2, keepdim=True)
    mean_BKD = member_BKL.to(x_BLD.dtype) @ x_BLD / size_BK1.clamp(min=1)
    return Steps(mean_BKD, size_BK1[..., 0] > 0)


def stretch(steps: Steps, n_B: Tensor, length: int) -> Tensor:
    """[B, length, D]: row b at ``n_B[b]`` points spread evenly from its first real step to its
    last, by linear interpolation; zeros after them, and where a row has no step. Real steps come
    first.
    """
    x_BLD, mask_BL = steps
    real_B1 = mask_BL.sum(1, keepdim=True)
    point_K = torch.arange(length, device=x_BLD.device)
    gaps_B1 = (n_B[:, None] - 1).clamp(min=1)
    at_BK = (point_K * (real_B1 - 1).clamp(min=0)).to(x_BLD.dtype) / gaps_B1
    low_BK = at_BK.long().clamp(max=x_BLD.shape[1] - 1)
    high_BK = torch.minimum(low_BK + 1, (real_B1 - 1).clamp(min=0))
    rows_B1 = torch.arange(len(x_BLD), device=x_BLD.device)[:, None]
    share_BK1 = (at_BK - low_BK)[..., None]
    between_BKD = (1 - share_BK1) * x_BLD[rows_B1, low_BK] + share_BK1 * x_BLD[rows_B1, high_BK]
    inside_BK = (point_K < n_B[:, None]) & (real_B1 > 0)
    return torch.where(inside_BK[..., None], between_BKD, 0.0)
