"""Objective ``unimodal-scores``: each modality predicts the row's score by itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn

from merbench.api import Batch, Config, Context, Model, Output, Progress, Tune, known_rows


class UnimodalScores(nn.Module):
    """``l2``: mean squared error of ``aux["scores"]`` [B, S] where ``aux["scored"]`` is true: what
    is told of one modality, or of one feature of it. Rows whose score is known count.
    """

    class Config(Config):
        weight: Annotated[float, Field(gt=0), Tune(0.001, 1.0, log=True)] = 1.0

    def __init__(self, config: Config, context: Context, model: Model) -> None:
        super().__init__()
        self.weight = config.weight

    def forward(
        self, model: Model, batch: Batch, out: Output, at: Progress
    ) -> Mapping[str, Tensor]:
        scored_BS = out.aux["scored"] & known_rows(batch)[:, None]
        squared_BS = (out.aux["scores"] - batch.target[:, None]).square()
        total = torch.where(scored_BS, squared_BS, 0.0).sum()
        return {"l2": self.weight * total / scored_BS.sum().clamp(min=1)}
