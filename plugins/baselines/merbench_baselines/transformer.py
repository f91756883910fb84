"""Crossmodal and self-attention transformers as those who build on MulT use them."""

from __future__ import annotations

import math
from typing import Protocol

import torch
from torch import Tensor, nn

from merbench_baselines.fusions.mult import Block, MulT, last_of, positions


class Settings(Protocol):
    """The fields of a configuration that every transformer of a method shares."""

    heads: int
    embed_dropout: float
    relu_dropout: float
    res_dropout: float


class Transformer(nn.Module):
    """sqrt(d) x and positions, crossmodal blocks of MulT, LayerNorm. The source is x itself unless
    given.
    """

    def __init__(self, width: int, layers: int, attn_dropout: float, settings: Settings) -> None:
        super().__init__()
        blocks = MulT.Config(
            heads=settings.heads,
            residual="plain",
            relu_dropout=settings.relu_dropout,
            res_dropout=settings.res_dropout,
        )
        self.blocks = nn.ModuleList(Block(width, attn_dropout, blocks) for _ in range(layers))
        self.dropout, self.norm = nn.Dropout(settings.embed_dropout), nn.LayerNorm(width)

    def embed(self, x_BLD: Tensor) -> Tensor:
        _, length, width = x_BLD.shape
        return self.dropout(math.sqrt(width) * x_BLD + positions(length, width, x_BLD.device))

    def forward(self, x_BTD: Tensor, mask_BS: Tensor, source_BSD: Tensor | None = None) -> Tensor:
        z_BTD = self.embed(x_BTD)
        source_BSD = None if source_BSD is None else self.embed(source_BSD)
        for block in self.blocks:
            z_BTD = block(z_BTD, source_BSD, mask_BS)
        return self.norm(z_BTD)

    def last_step(self, x_BLD: Tensor, mask_BL: Tensor) -> Tensor:
        """[B, D]: of what the transformer makes of x itself, the last real step; zeros where there
        are none.
        """
        z_BD = last_of(self.blocks, self.embed(x_BLD), mask_BL)
        return torch.where(mask_BL.any(1, keepdim=True), self.norm(z_BD), 0.0)


class PositionsFromZero(nn.Module):
    """x [B, L, D] + a * positions, a [D] learned from 0: of any length what positions learned from
    0 are of a fixed one.

    At full size from the start they outweigh the projection of an input: rows begin alike, and at a
    high rate stay so.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.scale_D = nn.Parameter(torch.zeros(width))

    def forward(self, x_BLD: Tensor) -> Tensor:
        _, length, width = x_BLD.shape
        return x_BLD + self.scale_D * positions(length, width, x_BLD.device)
