"""``label-guided``: how near a label's fused vector is to the label's own."""

from __future__ import annotations

import math
from typing import Annotated, Literal

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from merbench.api import LATER, Config, Context, Fused, Queries, Tune

START, LOWEST = 0.07, 0.01
"""CLIP's temperature at the start, and its bound: the scale exp(tau) is at most 100 (Radford et al.
2021, 2103.00020, section 2.5).
"""
CLIP_WIDTH = 512
"""Of the embeddings that ``START`` was chosen for."""


class LabelGuided(nn.Module):
    """z [B, C, width] and label vectors E [C, query_width] -> logits [B, C] = exp(tau) * cos(z_c,
    E_c) (reconstruction item 11).

    E passes a linear where the widths differ. No parameter belongs to one label, so that another
    label space can be read out. A fusion that returns one pooled vector has it compared with every
    label.
    """

    class Config(Config):
        prediction: Annotated[
            Literal["per-label", "pooled"], Tune(choices=("per-label", "pooled"))
        ] = "per-label"
        """``per-label``: each label's own row of z against its vector. ``pooled``: the mean row
        against the vectors of all labels.
        """
        start: Annotated[Literal["clip", "width"], LATER] = "clip"
        """The scale at first. ``clip``: 1 / .07, whatever the width. ``width``: 1 / .07 at CLIP's
        512, and sqrt(width / 512) of it at another width, because the cosine of random vectors
        spreads by 1 / sqrt(width): so all widths begin with logits of one spread.
        """
        tau_rate: Annotated[float, Field(gt=0), LATER] = 1.0
        """Factor on the learning rate of tau."""

    def __init__(
        self, config: Config, context: Context, width: int, query_width: int | None
    ) -> None:
        super().__init__()
        self.prediction = config.prediction
        assert query_width is not None, "a head declared to need queries is given them"
        self.project = nn.Identity() if query_width == width else nn.Linear(query_width, width)
        spread = math.sqrt(width / CLIP_WIDTH) if config.start == "width" else 1.0
        self.tau_rate = config.tau_rate
        self.tau = nn.Parameter(torch.tensor(math.log(spread / START) / self.tau_rate))

    @property
    def scale(self) -> Tensor:
        """exp(tau_rate * tau), at most 100. Beyond the bound the gradient passes as if there were
        none, or tau would stay there permanently.
        """
        tau = self.tau_rate * self.tau
        beyond = tau.detach() + math.log(LOWEST)
        return (tau - beyond.clamp(min=0)).exp()

    def forward(self, fused: Fused, queries: Queries | None = None) -> Tensor:
        assert queries is not None
        z_BCD = fused.z_BCD.mean(1, keepdim=True) if self.prediction == "pooled" else fused.z_BCD
        return self.scale * F.cosine_similarity(z_BCD, self.project(queries.emb_CD), dim=-1)
