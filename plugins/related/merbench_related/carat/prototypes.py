"""What stands for a label that is present, and for one that is absent, in each modality."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def moving_average(start_D: Tensor, z_BD: Tensor, member_B: Tensor, momentum: float) -> Tensor:
    """``mu <- momentum mu + (1 - momentum) z`` for each member row in its order, at once; leading
    dimensions of members and start ([..., B] and [..., D]) are averages of their own.

    After n members it is momentum^n mu + (1 - momentum) sum_i momentum^(n - i) z_i.
    """
    later_B = member_B.flip(-1).cumsum(-1).flip(-1) - member_B.long()
    decay = start_D.new_tensor(momentum)
    weight_B = torch.where(member_B, (1 - decay) * decay**later_B, 0.0)
    n = member_B.sum(-1, keepdim=True)
    return decay**n * start_D + (weight_B[..., None] * z_BD).sum(-2)


class Prototypes(nn.Module):
    """mu [M, C, 2, Dz]: the moving averages of normalised latents of each modality, where a label
    is present (0) and absent (1). Zeros at first, and never normalised again.
    """

    mu_MC2D: Tensor

    def __init__(self, modalities: int, labels: int, width: int, momentum: float) -> None:
        super().__init__()
        self.momentum = momentum
        self.register_buffer("mu_MC2D", torch.zeros(modalities, labels, 2, width))

    @torch.no_grad()
    def update(self, z_BMCD: Tensor, positive_BC: Tensor, known_BMC: Tensor) -> None:
        """As if row after row were taken, label after label; cells that are not known are left."""
        z_MCBD = F.normalize(z_BMCD, dim=-1).permute(1, 2, 0, 3)
        sign_BC2 = torch.stack([positive_BC, ~positive_BC], -1)
        member_MC2B = (sign_BC2[:, None] & known_BMC[..., None]).permute(1, 2, 3, 0)
        self.mu_MC2D.copy_(
            moving_average(self.mu_MC2D, z_MCBD[:, :, None], member_MC2B, self.momentum)
        )

    def shares(self, z_BMCD: Tensor, present_BM: Tensor, temperature: float) -> Tensor:
        """[B, M, C, 2]: softmax over present and absent of <z / |z|, mu> / temperature. An absent
        modality takes the mean over those that the row has, and 1/2 each where it has none.
        """
        near_BMC2 = torch.einsum("bmcd,mcsd->bmcs", F.normalize(z_BMCD, dim=-1), self.mu_MC2D)
        share_BMC2 = (near_BMC2 / temperature).softmax(-1)
        has_BM11 = present_BM[..., None, None]
        count_B111 = has_BM11.sum(1, keepdim=True)
        mean_B1C2 = torch.where(has_BM11, share_BMC2, 0.0).sum(1, keepdim=True)
        mean_B1C2 = torch.where(count_B111 > 0, mean_B1C2 / count_B111.clamp(min=1), 0.5)
        return torch.where(has_BM11, share_BMC2, mean_B1C2)

    def mix(self, share_BMC2: Tensor) -> Tensor:
        """[B, M, C, Dz]: share of present times its prototype, plus the same of absent."""
        return torch.einsum("bmcs,mcsd->bmcd", share_BMC2, self.mu_MC2D)
