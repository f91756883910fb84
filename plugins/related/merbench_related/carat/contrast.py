"""Supervised contrast with a queue (Khosla et al. 2020, 2004.11362; He et al. 2020, 1911.05722)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.checkpoint import checkpoint

ROWS = 512
"""Anchors at a time: [512, 12,000] similarities are 25 MB, all of them at once 200 MB a copy."""


def _log_sum(z_AD: Tensor, at_A: Tensor, key_KD: Tensor, temperature: float) -> Tensor:
    """[A]: log sum over keys, without the anchor itself (at its place), of exp(z . k / t)."""
    near_AK = z_AD @ key_KD.T / temperature
    self_AK = at_A[:, None] == torch.arange(len(key_KD), device=key_KD.device)
    return near_AK.masked_fill(self_AK, -torch.inf).logsumexp(1)


def contrast(
    key_KD: Tensor, id_K: Tensor, anchors: int, temperature: float, classes: int
) -> Tensor:
    """Mean over the first ``anchors`` keys i that have a positive of::

        - 1/|P_i| sum over p in P_i of (z_i . z_p / t - log sum over a != i of exp(z_i . z_a / t))

    P_i: the other keys of the same id. Keys are of unit length. 0 where no anchor has a positive.

    The sum over positives is z_i times the sum of its class, and similarities are made a block of
    anchors at a time and again for their gradient, so that they are never all there.
    """
    member_KI = F.one_hot(id_K, classes).to(key_KD.dtype)
    sum_ID, count_I = member_KI.T @ key_KD, member_KI.sum(0)
    z_AD, id_A = key_KD[:anchors], id_K[:anchors]
    positives_A = count_I[id_A] - 1
    near_A = (z_AD * (sum_ID[id_A] - z_AD)).sum(1) / temperature / positives_A.clamp(min=1)
    blocks = [
        checkpoint(_log_sum, z_AD[at_A], at_A, key_KD, temperature, use_reentrant=False)
        for at_A in torch.arange(anchors, device=key_KD.device).split(ROWS)
    ]
    has_A = positives_A > 0
    loss_A = torch.where(has_A, torch.cat(blocks) - near_A, 0.0)
    return loss_A.sum() / has_A.sum().clamp(min=1)
