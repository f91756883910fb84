"""MAG: the multimodal adaptation gate (Rahman et al. 2020, ACL, arXiv 1908.05787)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn

from merbench.api import (
    Config,
    Context,
    Fused,
    Modality,
    Queries,
    RequestError,
    Steps,
    Tune,
    by_length,
    compact,
    masked_mean,
)
from merbench_baselines.align import resample
from merbench_baselines.attention import EncoderLayer
from merbench_baselines.fields import Dropout
from merbench_baselines.layers import complete

TINY = 1e-6


class AdaptationGate(nn.Module):
    """z' = dropout(LayerNorm(z + alpha H)) (section 4.1): H = sum_m g_m * (W_m a_m) + b,
    g_m = ReLU(W_gm [z; a_m] + b_gm), alpha = min(beta |z| / |H|, 1).
    """

    def __init__(self, width: int, widths: Mapping[str, int], beta: float, dropout: float) -> None:
        super().__init__()
        self.beta = beta
        self.gate = nn.ModuleDict({m: nn.Linear(width + w, width) for m, w in widths.items()})
        self.shift = nn.ModuleDict({m: nn.Linear(w, width, bias=False) for m, w in widths.items()})
        self.bias_D = nn.Parameter(torch.zeros(width))
        self.norm, self.dropout = nn.LayerNorm(width), nn.Dropout(dropout)

    def forward(self, z_BLD: Tensor, others: Mapping[str, Tensor]) -> Tensor:
        """``others`` [B, L, D_m] at the steps of z."""
        h_BLD = self.bias_D.expand_as(z_BLD)
        for m, x_BLA in others.items():
            gate_BLD = self.gate[m](torch.cat((z_BLD, x_BLA), 2)).relu()
            h_BLD = h_BLD + gate_BLD * self.shift[m](x_BLA)
        z_norm, h_norm = (torch.linalg.vector_norm(x, dim=2, keepdim=True) for x in (z_BLD, h_BLD))
        alpha = (self.beta * z_norm / (h_norm + TINY)).clamp(max=1.0)
        return self.dropout(self.norm(z_BLD + alpha * h_BLD))


class MAG(nn.Module):
    """Text steps shifted by what is heard and seen at them, then a transformer; z is the mean of
    its real steps.

    Audio and video are brought to the text's steps (``align.resample``); where a row lacks one, it
    shifts nothing. The gate stands before the transformer, as in the paper's best setting.
    """

    class Config(Config):
        width: Annotated[int, Field(ge=1), Tune(choices=(32, 64, 128, 256))] = 64
        layers: Annotated[int, Field(ge=0), Tune(0, 4)] = 2
        heads: Annotated[int, Field(ge=1), Tune(choices=(1, 2, 4))] = 4
        beta: Annotated[float, Field(gt=0), Tune(0.01, 2.0, log=True)] = 1.0
        """How far a step is shifted at most, as a share of its length."""
        dropout: Dropout = 0.3
        attention_dropout: Dropout = 0.1

    def __init__(
        self,
        config: Config,
        context: Context,
        widths: Mapping[Modality, int],
        query_width: int | None,
    ) -> None:
        super().__init__()
        if config.width % config.heads:
            raise RequestError(
                f"mag: fusion.width {config.width} cannot be shared by {config.heads} heads; "
                "make it a multiple of fusion.heads"
            )
        self.inputs, self.width = widths, config.width
        self.project = nn.Linear(widths["text"], config.width)
        others = {m: w for m, w in widths.items() if m != "text"}
        self.gate = AdaptationGate(config.width, others, config.beta, config.dropout)
        self.layers = nn.ModuleList(
            EncoderLayer(config.width, config.heads, 4 * config.width, config.attention_dropout)
            for _ in range(config.layers)
        )

    def pooled(self, parts: dict[str, Steps]) -> Tensor:
        x_BLD, mask_BL = parts["text"]
        others = {m: steps.x_BLD for m, steps in parts.items() if m != "text"}
        z_BLD = self.gate(self.project(x_BLD), others)
        for layer in self.layers:
            z_BLD = layer(z_BLD, mask_BL)
        return masked_mean(z_BLD, mask_BL)

    def forward(self, parts: Mapping[Modality, Steps], queries: Queries | None = None) -> Fused:
        steps = complete(parts, self.inputs)
        text = compact(steps["text"])
        length_B = text.mask_BL.sum(1)
        at_text: dict[str, Steps] = {}
        for m, stream in steps.items():
            x_BLD = text.x_BLD if m == "text" else resample(stream, length_B)
            longest = max(1, int(length_B.max()))
            mask_BL = text.mask_BL[:, :longest]
            at_text[m] = Steps(torch.where(mask_BL[..., None], x_BLD[:, :longest], 0.0), mask_BL)
        return Fused(by_length(self.pooled, at_text)[:, None])
