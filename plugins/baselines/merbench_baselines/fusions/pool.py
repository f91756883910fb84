"""Fusion ``pool``: pool each modality over its real steps, concatenate, project."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

import torch
from torch import Tensor, nn

from merbench.api import (
    Config,
    Context,
    Fused,
    Modality,
    Queries,
    Steps,
    Tune,
    complete,
    last_step,
    masked_max,
    masked_mean,
    masked_softmax,
)
from merbench_baselines.fields import Dropout, Width


class AttentionPool(nn.Module):
    """[B, D]: sum_l softmax_l(q . x_l) x_l over real steps, q learned; 0 where there are none."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.query_D = nn.Parameter(torch.randn(width) * width**-0.5)

    def forward(self, x_BLD: Tensor, mask_BL: Tensor) -> Tensor:
        x_BLD = torch.where(mask_BL[..., None], x_BLD, 0.0)
        weight_BL = masked_softmax(x_BLD @ self.query_D, mask_BL)
        return (weight_BL[..., None] * x_BLD).sum(1)


POOLS = {"mean": masked_mean, "max": masked_max, "last": last_step}


class Pool(nn.Module):
    """z = W [pool(text); pool(audio); pool(video)] + b. A missing modality pools to zeros."""

    class Config(Config):
        width: Width = 128
        pooling: Annotated[
            Literal["mean", "max", "last", "attention"],
            Tune(choices=("mean", "max", "last", "attention")),
        ] = "mean"
        """How each modality's steps become one vector: mean, maximum, the last step, or the mean
        weighted by learned attention.
        """
        dropout: Dropout = 0.2
        """On the pooled vectors."""

    def __init__(
        self,
        config: Config,
        context: Context,
        widths: Mapping[Modality, int],
        query_width: int | None,
    ) -> None:
        super().__init__()
        self.widths, self.width, self.pooling = widths, config.width, config.pooling
        self.attention = nn.ModuleDict(
            {m: AttentionPool(w) for m, w in widths.items()}
            if config.pooling == "attention"
            else {}
        )
        self.project = nn.Sequential(
            nn.Dropout(config.dropout), nn.Linear(sum(widths.values()), config.width)
        )

    def forward(self, parts: Mapping[Modality, Steps], queries: Queries | None = None) -> Fused:
        pooled = [
            (self.attention[m] if self.attention else POOLS[self.pooling])(*s)
            for m, s in complete(parts, self.widths).items()
        ]
        return Fused(self.project(torch.cat(pooled, 1))[:, None])
