"""Late fusion: a network a modality, concatenated."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import nn

from merbench.api import Config, Context, Fused, Modality, Queries, Steps
from merbench_baselines.fields import Dropout, Width
from merbench_baselines.layers import UtteranceNets


class LateFusionDNN(nn.Module):
    """z = [h_text; h_audio; h_video] (LF-DNN), h_m of ``UtteranceNets``; the head is the network
    after it.
    """

    class Config(Config):
        hidden: Width = 128
        width: Width = 64
        """Of each h_m."""
        dropout: Dropout = 0.2

    def __init__(
        self,
        config: Config,
        context: Context,
        widths: Mapping[Modality, int],
        query_width: int | None,
    ) -> None:
        super().__init__()
        self.nets = UtteranceNets(widths, config.hidden, config.width, config.dropout)
        self.width = config.width * len(widths)

    def forward(self, parts: Mapping[Modality, Steps], queries: Queries | None = None) -> Fused:
        return Fused(torch.cat(list(self.nets(parts).values()), 1)[:, None])
