"""EMOE: modality-specific enhanced dynamic emotion experts (Fang et al. 2025, CVPR)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from merbench.api import (
    Config,
    Context,
    Fused,
    Modality,
    Queries,
    Steps,
    Tune,
    attendable,
    by_length,
    compact,
    complete,
    masked_mean,
    masked_softmax,
    present_modalities,
    require_heads,
)
from merbench_baselines.fields import (
    AudioDropout,
    AudioKernel,
    Dropout,
    Heads,
    ManyLayers,
    StepWidth,
    TextDropout,
    TextKernel,
    VideoDropout,
    VideoKernel,
    Width,
    by_modality,
)
from merbench_baselines.layers import Residual, convolutions, convolved
from merbench_baselines.transformer import Transformer


class Router(nn.Module):
    """w = softmax(W ReLU(unit length(V x + b)) / t) [B, M] over the modalities that a row has; x
    the means of their steps side by side.
    """

    def __init__(self, width: int, hidden: int, count: int, temperature: float) -> None:
        super().__init__()
        self.into, self.out = nn.Linear(width, hidden), nn.Linear(hidden, count)
        self.temperature = temperature

    def forward(self, x_BD: Tensor, present_BM: Tensor) -> Tensor:
        score_BM = self.out(F.normalize(self.into(x_BD), dim=1).relu()) / self.temperature
        return masked_softmax(score_BM, attendable(present_BM))


class EMOE(nn.Module):
    """z = residual network of sum_m w_m h_m, h_m the last step of a transformer over a modality, w
    what a router makes of all of them for this row.

    ``aux``: ``branches`` [B, M, width], a residual network of every h_m, ``routes`` w [B, M] and
    ``present`` [B, M].
    """

    class Config(Config):
        width: StepWidth = 50
        heads: Heads = 10
        layers: ManyLayers = 4
        routed: bool = True
        """False: every modality that a row has counts alike."""
        route_hidden: Width = 64
        """Width of the router's hidden layer."""
        temperature: Annotated[float, Field(gt=0), Tune(0.1, 3.0, log=True)] = 1.0
        """Of the router's softmax."""
        kernel_text: TextKernel = 5
        kernel_audio: AudioKernel = 5
        kernel_video: VideoKernel = 5
        text_dropout: TextDropout = 0.5
        attn_dropout_text: TextDropout = 0.3
        attn_dropout_audio: AudioDropout = 0.2
        attn_dropout_video: VideoDropout = 0.0
        embed_dropout: Dropout = 0.2
        relu_dropout: Dropout = 0.0
        res_dropout: Dropout = 0.0
        out_dropout: Dropout = 0.5

    def __init__(
        self,
        config: Config,
        context: Context,
        widths: Mapping[Modality, int],
        query_width: int | None,
    ) -> None:
        super().__init__()
        d, count = config.width, len(widths)
        require_heads("fusion", d, config.heads)
        self.inputs, self.width = widths, d
        self.text_dropout = nn.Dropout(config.text_dropout)
        self.convolve = convolutions(widths, d, by_modality(config, "kernel", widths))
        self.shared = nn.Linear(d, d, bias=False)
        attn = by_modality(config, "attn_dropout", widths)
        self.memory = nn.ModuleDict(
            {m: Transformer(d, config.layers, attn[m], config) for m in widths}
        )
        self.router = (
            Router(sum(widths.values()), config.route_hidden, count, config.temperature)
            if config.routed
            else None
        )
        self.residual = nn.ModuleDict({m: Residual(d, config.out_dropout) for m in widths})
        self.last = Residual(d, config.out_dropout)
        self.widths = {"branch": d}

    def read(self, parts: dict[Modality, Steps]) -> Tensor:
        """[B, M * width]: h_m of every modality, side by side."""
        last = []
        for m, steps in parts.items():
            dropout = self.text_dropout if m == "text" else None
            c_BLD = self.shared(convolved(self.convolve[m], steps, dropout))
            last.append(self.memory[m].last_step(c_BLD, steps.mask_BL))
        return torch.cat(last, 1)

    def routes(self, steps: Mapping[Modality, Steps], present_BM: Tensor) -> Tensor:
        """w [B, M]."""
        if self.router is None:
            share_BM = present_BM / present_BM.sum(1, keepdim=True).clamp(min=1)
            return share_BM.to(next(iter(steps.values())).x_BLD.dtype)
        means_BD = torch.cat([masked_mean(*s) for s in steps.values()], 1)
        return self.router(means_BD, present_BM)

    def forward(self, parts: Mapping[Modality, Steps], queries: Queries | None = None) -> Fused:
        steps = {m: compact(s) for m, s in complete(parts, self.inputs).items()}
        present_BM = present_modalities(steps)
        h_BMD = by_length(self.read, steps, attends=True).unflatten(1, (len(steps), -1))
        route_BM = self.routes(steps, present_BM)
        z_BD = self.last((route_BM[..., None] * h_BMD).sum(1))
        branches = [self.residual[m](h) for m, h in zip(steps, h_BMD.unbind(1), strict=True)]
        aux = {"branches": torch.stack(branches, 1), "routes": route_BM, "present": present_BM}
        return Fused(z_BD[:, None], aux)
