"""Objective ``concordance``: a score's predictions are to agree with the labels of their batch, as
valence and arousal are trained (Trigeorgis et al. 2016, doi 10.1109/ICASSP.2016.7472669).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from merbench.api import Batch, Config, Context, Model, Output, Progress, Tune, known_rows, read_out

LEAST_SPREAD = 1e-6
"""Below it a batch's spread is none, and its rows have no correlation."""


class Concordance(nn.Module):
    """1 - r over the rows of a batch whose score is known; 1 where they do not differ. Beside
    objective ``task``, since a correlation alone says little about the error of a row.
    """

    class Config(Config):
        weight: Annotated[float, Field(ge=0), Tune(0.1, 3.0, log=True)] = 1.0
        """Factor on the term."""
        correlation: Literal["concordance", "pearson"] = "concordance"
        """``concordance`` (Lin 1989): 2 cov / (var + var + squared difference of means), which
        other scales and means lower; ``pearson``: blind to both.
        """

    def __init__(self, config: Config, context: Context, model: Model) -> None:
        super().__init__()
        self.config, self.space = config, context.space

    def forward(
        self, model: Model, batch: Batch, out: Output, at: Progress
    ) -> Mapping[str, Tensor]:
        known_B = known_rows(batch)
        count = known_B.sum().clamp(min=1)

        def mean(x_B: Tensor) -> Tensor:
            return torch.where(known_B, x_B, 0.0).sum() / count

        predicted_B = read_out(out.logits_BC, self.space)
        gap = mean(predicted_B) - mean(batch.target)
        predicted_B, target_B = predicted_B - mean(predicted_B), batch.target - mean(batch.target)
        variances = mean(predicted_B.square()), mean(target_B.square())
        if self.config.correlation == "pearson":
            # The product under one root: its gradient is finite where there is no spread.
            spread = (variances[0] * variances[1]).clamp(min=LEAST_SPREAD**2).sqrt()
        else:
            spread = (sum(variances) + gap.square()).clamp(min=LEAST_SPREAD) / 2
        return {"one-minus-r": self.config.weight * (1 - mean(predicted_B * target_B) / spread)}
