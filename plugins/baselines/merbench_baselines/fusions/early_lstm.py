"""Early fusion: all modalities side by side at every step, one LSTM over them."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import nn

from merbench.api import Config, Context, Fused, Modality, Queries, Steps, complete
from merbench_baselines.align import aligned
from merbench_baselines.fields import Dropout, Layers, Width
from merbench_baselines.layers import LastState


class EarlyFusionLSTM(nn.Module):
    """z = last state of LSTM(concat_t(text, audio, video)) (EF-LSTM).

    Aligned streams pass unchanged, others are brought to one clock (``align.aligned``).
    """

    class Config(Config):
        hidden: Width = 128
        layers: Layers = 2
        dropout: Dropout = 0.4
        """On the inputs and between the LSTM's layers."""

    def __init__(
        self,
        config: Config,
        context: Context,
        widths: Mapping[Modality, int],
        query_width: int | None,
    ) -> None:
        super().__init__()
        self.widths, self.width = widths, config.hidden
        self.dropout = nn.Dropout(config.dropout)
        self.lstm = LastState(sum(widths.values()), config.hidden, config.layers, config.dropout)

    def dropped(self, steps: Steps) -> Steps:
        """Of real steps alone: most of a batch may be padding."""
        x_BLD, mask_BL = torch.zeros_like(steps.x_BLD), steps.mask_BL
        x_BLD[mask_BL] = self.dropout(steps.x_BLD[mask_BL])
        return Steps(x_BLD, mask_BL)

    def forward(self, parts: Mapping[Modality, Steps], queries: Queries | None = None) -> Fused:
        # Dropout comes before, so that a step which is held throughout is not known after all from
        # its many copies.
        steps = {m: self.dropped(s) for m, s in complete(parts, self.widths).items()}
        streams = list(aligned(steps).values())
        x_BTD = torch.cat([s.x_BLD for s in streams], 2)
        return Fused(self.lstm(Steps(x_BTD, streams[0].mask_BL))[:, None])
