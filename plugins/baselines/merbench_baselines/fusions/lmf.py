"""Low-rank Multimodal Fusion (Liu et al. 2018, arXiv 1806.00064)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

import torch
from pydantic import Field
from torch import nn

from merbench.api import Config, Context, Fused, Modality, Queries, Steps, Tune
from merbench_baselines.fields import Dropout, Width
from merbench_baselines.layers import UtteranceNets


class LMF(nn.Module):
    """z = sum_r w_r prod_m (W_m^r [h_m; 1]) + b: TFN's layer with a weight tensor of rank R, never
    built (section 3.2).

    h_m is that of ``UtteranceNets``, 0 where the modality is missing. Everything is trained, the
    weights w_r of the ranks too.
    """

    class Config(Config):
        hidden: Width = 128
        factor: Width = 64
        """Of each h_m."""
        width: Width = 64
        """Of z."""
        rank: Annotated[int, Field(ge=1), Tune(1, 16, log=True)] = 4
        """Rank R of the weight tensor."""
        dropout: Dropout = 0.3

    def __init__(
        self,
        config: Config,
        context: Context,
        widths: Mapping[Modality, int],
        query_width: int | None,
    ) -> None:
        super().__init__()
        self.width, self.rank = config.width, config.rank
        self.nets = UtteranceNets(widths, config.hidden, config.factor, config.dropout)
        self.factors = nn.ModuleDict(
            {m: nn.Linear(config.factor, config.rank * config.width) for m in widths}
        )
        for factor in self.factors.values():
            nn.init.ones_(
                factor.bias
            )  # products start near 1 + sum_m W_m h_m, and not at a product of small numbers
        self.weight_R = nn.Parameter(torch.full((config.rank,), config.rank**-0.5))
        self.bias_D = nn.Parameter(torch.zeros(config.width))

    def forward(self, parts: Mapping[Modality, Steps], queries: Queries | None = None) -> Fused:
        product_BN = torch.stack(
            [self.factors[m](h_BF) for m, h_BF in self.nets(parts).items()]
        ).prod(0)
        return Fused(
            (self.weight_R @ product_BN.unflatten(1, (self.rank, self.width)) + self.bias_D)[
                :, None
            ]
        )
