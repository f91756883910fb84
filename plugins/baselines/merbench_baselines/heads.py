"""Heads ``linear`` and ``mlp``: plain logits, with no look at the label words.

Of a pooled z [B, 1, D] they make one logit for a score, else one a label. Of a label-wise z [B, C,
D] logit c reads z_c alone, with the weights of label c (of a score: the same weights for every
anchor). Both are the same parameters: W [C', D], C' = ``space.logit_count``.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from merbench.api import Config, Context, Fused, LabelSpace, Queries
from merbench_baselines.fields import Dropout, Width


def per_label(last: nn.Linear, z_BCD: Tensor, space: LabelSpace) -> Tensor:
    """[B, C]: W z + b of a pooled z, else w_c . z_c + b_c."""
    if z_BCD.shape[1] == 1:
        return last(z_BCD[:, 0])
    by_task = zip(
        space.split_logits(z_BCD, 1),
        space.split_logits(last.weight, 0),
        space.split_logits(last.bias),
        strict=True,
    )
    return torch.cat([(z * weight).sum(-1) + bias for z, weight, bias in by_task], 1)


class Linear(nn.Module):
    """z -> logits."""

    class Config(Config):
        pass

    def __init__(
        self, config: Config, context: Context, width: int, query_width: int | None
    ) -> None:
        super().__init__()
        self.space = context.space
        self.last = nn.Linear(width, context.space.logit_count)

    def forward(self, fused: Fused, queries: Queries | None = None) -> Tensor:
        return per_label(self.last, fused.z_BCD, self.space)


class MLP(nn.Module):
    """z -> Linear -> ReLU -> dropout -> logits; the hidden layer is shared by the labels."""

    class Config(Config):
        hidden: Width = 64
        dropout: Dropout = 0.2

    def __init__(
        self, config: Config, context: Context, width: int, query_width: int | None
    ) -> None:
        super().__init__()
        self.hidden = nn.Sequential(
            nn.Linear(width, config.hidden), nn.ReLU(), nn.Dropout(config.dropout)
        )
        self.space = context.space
        self.last = nn.Linear(config.hidden, context.space.logit_count)

    def forward(self, fused: Fused, queries: Queries | None = None) -> Tensor:
        return per_label(self.last, self.hidden(fused.z_BCD), self.space)
