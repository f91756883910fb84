"""Sparsely gated mixture of experts with noise (Shazeer et al. 2017, arXiv 1701.06538)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from merbench.api import Batch, Config, Context, Model, Output, Progress, Tune
from merbench_baselines.layers import hidden_layer

LEAST_NOISE = 0.01
"""The least deviation of the noise on scores."""
TINY = 1e-10


class Mixture(nn.Module):
    """sum_e g_e f_e(x), g the softmax of the ``chosen`` largest scores, 0 for the others. A score
    is x W_g, in training plus noise of deviation softplus(x W_n) + .01 (section 2.1).
    """

    def __init__(self, width: int, hidden: int, width_out: int, count: int, chosen: int) -> None:
        super().__init__()
        self.chosen = chosen
        self.gate, self.noise = (nn.Linear(width, count, bias=False) for _ in range(2))
        nn.init.zeros_(self.gate.weight)
        nn.init.zeros_(self.noise.weight)
        self.experts = nn.ModuleList(hidden_layer(width, hidden, width_out) for _ in range(count))

    def forward(self, x_BD: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """[B, width_out]; the gates [B, E]; and how likely each expert is chosen [B, E] (in
        evaluation, or where all are: whether it is).
        """
        clean_BE = score_BE = self.gate(x_BD)
        deviation_BE = F.softplus(self.noise(x_BD)) + LEAST_NOISE
        if self.training:
            score_BE = clean_BE + deviation_BE * torch.randn_like(clean_BE)
        best = score_BE.topk(self.chosen, 1)
        gate_BE = torch.zeros_like(score_BE).scatter(1, best.indices, best.values.softmax(1))
        expert_BED = torch.stack([expert(x_BD) for expert in self.experts], 1)
        out_BD = (gate_BE[..., None] * expert_BED).sum(1)
        if not self.training or self.chosen == len(self.experts):
            return out_BD, gate_BE, (gate_BE > 0).to(gate_BE.dtype)
        return out_BD, gate_BE, self.likelihood(clean_BE, score_BE, deviation_BE)

    def likelihood(self, clean_BE: Tensor, score_BE: Tensor, deviation_BE: Tensor) -> Tensor:
        """P(expert e is among the chosen) if its noise alone were drawn again: Phi((clean_e -
        threshold_e) / deviation_e), threshold the score it must exceed among the others'.
        """
        top_BK = score_BE.topk(self.chosen + 1, 1).values
        lowest_B1, next_B1 = top_BK[:, self.chosen - 1, None], top_BK[:, self.chosen, None]
        threshold_BE = torch.where(score_BE > next_B1, next_B1, lowest_B1)
        return torch.special.ndtr((clean_BE - threshold_BE) / deviation_BE)


def variation(x_BE: Tensor) -> Tensor:
    """The squared coefficient of variation, variance over squared mean, of the sums over rows."""
    total_E = x_BE.sum(0)
    if len(total_E) < 2:
        return total_E.new_zeros(())
    return total_E.var() / (total_E.mean().square() + TINY)


class ExpertBalance(nn.Module):
    """``balance``: over the mixtures, the variation of how much experts count in a batch and of how
    many rows they are likely to get (section 4 and appendix A).
    """

    class Config(Config):
        weight: Annotated[float, Field(ge=0), Tune(1e-3, 0.1, log=True)] = 0.01

    def __init__(self, config: Config, context: Context, model: Model) -> None:
        super().__init__()
        self.weight, self.size = config.weight, model.widths["experts"]

    def forward(
        self, model: Model, batch: Batch, out: Output, at: Progress
    ) -> Mapping[str, Tensor]:
        parts = [out.aux[name].split(self.size, 1) for name in ("gates", "load")]
        terms = [variation(x_BE) for part in parts for x_BE in part]
        return {"balance": self.weight * torch.stack(terms).sum()}
