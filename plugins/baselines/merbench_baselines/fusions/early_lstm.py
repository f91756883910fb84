"""Early fusion: all modalities side by side at every step, one LSTM over them."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from merbench.api import Config, Context, Fused, Modality, Queries, Steps, by_length, complete
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

    def read(self, parts: Mapping[Modality, Steps]) -> Tensor:
        """[B, hidden]."""
        # Dropout comes before, so that a step which is held throughout is not known after all from
        # its many copies.
        dropped = {m: Steps(self.dropout(x_BLD), mask_BL) for m, (x_BLD, mask_BL) in parts.items()}
        streams = list(aligned(dropped).values())
        x_BTD = torch.cat([steps.x_BLD for steps in streams], 2)
        return self.lstm.at_once(Steps(x_BTD, streams[0].mask_BL))

    def forward(self, parts: Mapping[Modality, Steps], queries: Queries | None = None) -> Fused:
        return Fused(by_length(self.read, complete(parts, self.widths))[:, None])
