"""Contrastive losses over rows that may lack a view."""

from __future__ import annotations

import torch
from torch import Tensor


def info_nce(
    u_BD: Tensor, v_BD: Tensor, present_B: Tensor, same_BB: Tensor, temperature: float
) -> Tensor:
    """Mean over present rows of -log softmax_j(u_i . v_j / temperature)[i], both directions.

    Row j is no negative of i where it is not present, or where ``same_BB`` says that both have one
    target (it may then well be like i). u and v are unit vectors. 0 where no row is present.
    """
    own_BB = torch.eye(len(u_BD), dtype=torch.bool, device=u_BD.device)
    counted_BB = own_BB | (present_B[None] & ~same_BB)
    near_BB = u_BD @ v_BD.T / temperature
    losses = []
    for logits_BB in (near_BB, near_BB.T):
        lowest = torch.finfo(logits_BB.dtype).min
        log_p_B = logits_BB.masked_fill(~counted_BB, lowest).log_softmax(1).diagonal()
        losses.append(-torch.where(present_B, log_p_B, 0.0).sum() / present_B.sum().clamp(min=1))
    return torch.stack(losses).mean()


def supervised_contrast(x_ND: Tensor, positive_NN: Tensor, temperature: float) -> Tensor:
    """Khosla et al. 2020 (2004.11362), eq. 2: mean over anchors that have a positive of the mean
    over those of -log softmax_{j != i}(x_i . x_j / temperature). x are unit vectors.
    """
    own_NN = torch.eye(len(x_ND), dtype=torch.bool, device=x_ND.device)
    near_NN = (x_ND @ x_ND.T / temperature).masked_fill(own_NN, torch.finfo(x_ND.dtype).min)
    log_p_NN = near_NN.log_softmax(1)
    positive_NN = positive_NN & ~own_NN
    count_N = positive_NN.sum(1)
    mean_N = torch.where(positive_NN, log_p_NN, 0.0).sum(1) / count_N.clamp(min=1)
    return -mean_N.sum() / (count_N > 0).sum().clamp(min=1)
