"""Multimodal Transformer (Tsai et al. 2019, arXiv 1906.00295)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, Literal

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
    complete,
    last_step,
    require_heads,
)
from merbench_baselines.attention import Attention
from merbench_baselines.fields import (
    AudioDropout,
    AudioKernel,
    Dropout,
    Heads,
    TextKernel,
    VideoDropout,
    VideoKernel,
    by_modality,
)
from merbench_baselines.layers import convolutions, convolved

Layers = Annotated[int, Field(ge=0), Tune(1, 6)]


def positions(length: int, width: int, device: torch.device) -> Tensor:
    """[length, width]: sin(l / 10000^(2i/width)) in even columns, cos in odd ones (appendix A of
    the paper).
    """
    rate_I = torch.exp(torch.arange(0, width, 2, device=device) * (-math.log(10000.0) / width))
    angle_LI = torch.arange(length, device=device)[:, None] * rate_I
    return torch.stack((angle_LI.sin(), angle_LI.cos()), 2).flatten(1)[:, :width]


class Block(nn.Module):
    """One layer of a crossmodal transformer (section 3.2, eq. 4), or of a self-attention one where
    target and source are the same.

    z^ = CM(LN(z), LN(source)) + LN(z);  z' = f(LN(z^)) + LN(z^). With ``residual="plain"`` z and z^
    are added as they are.
    """

    def __init__(self, width: int, attn_dropout: float, config: MulT.Config) -> None:
        super().__init__()
        self.normed = config.residual == "normed"
        self.norm, self.norm_f = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attend = Attention(width, config.heads, attn_dropout)
        self.f = nn.Sequential(
            nn.Linear(width, 4 * width),
            nn.ReLU(),
            nn.Dropout(config.relu_dropout),
            nn.Linear(4 * width, width),
        )
        self.dropout = nn.Dropout(config.res_dropout)

    def forward(self, z_BTD: Tensor, source_BSD: Tensor | None, mask_BS: Tensor) -> Tensor:
        """``source_BSD`` None: z itself."""
        n_BTD = self.norm(z_BTD)
        z_BTD = n_BTD if self.normed else z_BTD
        z_BTD = z_BTD + self.dropout(
            self.attend(n_BTD, n_BTD if source_BSD is None else self.norm(source_BSD), mask_BS)
        )
        n_BTD = self.norm_f(z_BTD)
        z_BTD = n_BTD if self.normed else z_BTD
        return z_BTD + self.dropout(self.f(n_BTD))


def last_of(blocks: nn.ModuleList, z_BLD: Tensor, mask_BL: Tensor) -> Tensor:
    """[B, D]: of what self-attention blocks make of z, the last real step. The last block computes
    that step alone.
    """
    for block in blocks[:-1]:
        z_BLD = block(z_BLD, None, mask_BL)
    z_B1D = last_step(z_BLD, mask_BL)[:, None]
    for block in blocks[-1:]:
        z_B1D = block(z_B1D, z_BLD, mask_BL)
    return z_B1D[:, 0]


class MulT(nn.Module):
    """Crossmodal transformers for every ordered pair of modalities, then one self-attention
    transformer a target (section 3).

    z = x + W_2 dropout(ReLU(W_1 x)), x = the last real steps of all targets, concatenated. A
    missing source adds nothing to its targets; a missing target gives zeros.
    """

    class Config(Config):
        width: Annotated[int, Field(ge=1), Tune(choices=(20, 30, 40, 60, 80))] = 40
        heads: Heads = 10
        layers: Layers = 4
        """Of each crossmodal transformer."""
        memory_layers: Layers = 3
        """Of each self-attention transformer; 0 = none."""
        targets: tuple[Modality, ...] = ()
        """Modalities that attend to the others; empty = all."""
        kernel_text: TextKernel = 3
        kernel_audio: AudioKernel = 3
        kernel_video: VideoKernel = 3
        residual: Literal["normed", "plain"] = "normed"
        """What a block adds its attention to: LN(z), as the paper's equation 4 has it, or z, as in
        its authors' code.
        """
        attn_dropout_text: Dropout = 0.2
        """On attention to text, and in self-attention."""
        attn_dropout_audio: AudioDropout = 0.2
        attn_dropout_video: VideoDropout = 0.0
        embed_dropout: Dropout = 0.2
        relu_dropout: Dropout = 0.0
        res_dropout: Dropout = 0.1
        out_dropout: Dropout = 0.3

    def __init__(
        self,
        config: Config,
        context: Context,
        widths: Mapping[Modality, int],
        query_width: int | None,
    ) -> None:
        super().__init__()
        require_heads("fusion", config.width, config.heads)
        self.targets = [m for m in widths if not config.targets or m in config.targets]
        if not self.targets:
            raise RequestError(
                f"mult: none of fusion.targets {', '.join(config.targets)} is here; "
                f"choose of {', '.join(widths)}"
            )
        self.widths, self.d = widths, config.width
        self.sources = {a: [b for b in widths if b != a] for a in self.targets}
        attn = by_modality(config, "attn_dropout", widths)
        self.convolve = convolutions(widths, self.d, by_modality(config, "kernel", widths))
        self.dropout = nn.Dropout(config.embed_dropout)

        def stack(width: int, layers: int, attn_dropout: float) -> nn.ModuleList:
            return nn.ModuleList(Block(width, attn_dropout, config) for _ in range(layers))

        self.cross = nn.ModuleDict(
            {
                f"{b}_to_{a}": stack(self.d, config.layers, attn[b])
                for a in self.targets
                for b in self.sources[a]
            }
        )
        wide = self.d * (len(widths) - 1)
        self.memory = nn.ModuleDict(
            {a: stack(wide, config.memory_layers, config.attn_dropout_text) for a in self.targets}
        )
        self.norm = nn.ModuleDict({a: nn.LayerNorm(wide) for a in self.targets})
        self.width = wide * len(self.targets)
        self.residual = nn.Sequential(
            nn.Linear(self.width, self.width),
            nn.ReLU(),
            nn.Dropout(config.out_dropout),
            nn.Linear(self.width, self.width),
        )

    def embed(self, m: Modality, steps: Steps) -> Tensor:
        """[B, L, d]: temporal convolution and positions."""
        x_BLd = convolved(self.convolve[m], steps)
        return self.dropout(x_BLd + positions(x_BLd.shape[1], self.d, x_BLd.device))

    def last_steps(self, parts: Mapping[Modality, Steps]) -> Tensor:
        """[B, width]."""
        embedded = {m: self.embed(m, steps) for m, steps in parts.items()}
        last = []
        for a in self.targets:
            towards = []
            for b in self.sources[a]:
                z_BTd = embedded[a]
                for block in self.cross[f"{b}_to_{a}"]:
                    z_BTd = block(z_BTd, embedded[b], parts[b].mask_BL)
                towards.append(z_BTd)
            mask_BT = parts[a].mask_BL
            z_BD = last_of(self.memory[a], torch.cat(towards, 2), mask_BT)
            last.append(torch.where(mask_BT.any(1, keepdim=True), self.norm[a](z_BD), 0.0))
        return torch.cat(last, 1)

    def forward(self, parts: Mapping[Modality, Steps], queries: Queries | None = None) -> Fused:
        x_BD = by_length(self.last_steps, complete(parts, self.widths), attends=True)
        return Fused((x_BD + self.residual(x_BD))[:, None])
