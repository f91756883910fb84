"""Objective ``squared-error``: of a score the mean squared error, which some papers train by."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn

from merbench.api import Batch, Config, Context, Model, Output, Progress, read_out, task_loss


class SquaredError(nn.Module):
    """``l2`` of a score, ``ce`` of a class, ``bce`` of labels; of two tasks both. A mean over what
    is known.
    """

    class Config(Config):
        weight: Annotated[float, Field(ge=0)] = 1.0
        """Factor on every term."""

    def __init__(self, config: Config, context: Context, model: Model) -> None:
        super().__init__()
        self.weight, self.space = config.weight, context.space

    def forward(
        self, model: Model, batch: Batch, out: Output, at: Progress
    ) -> Mapping[str, Tensor]:
        tasks = zip(
            self.space.tasks,
            self.space.split_logits(out.logits_BC),
            self.space.split_targets(batch.target),
            self.space.split_targets(batch.known),
            strict=True,
        )
        terms: dict[str, Tensor] = {}
        for space, logits_BC, target, known in tasks:
            if space.kind == "score":
                squared_B = (read_out(logits_BC, space) - target).square()
                known_B = torch.ones_like(target, dtype=torch.bool) if known is None else known
                count = known_B.sum().clamp(min=1)
                terms["l2"] = torch.where(known_B, squared_B, 0.0).sum() / count
            else:
                terms |= task_loss(logits_BC, target, known, space)
        return {name: self.weight * term for name, term in terms.items()}
