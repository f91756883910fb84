"""``classifier-l2``: a penalty on the squares of the classifiers that the graph makes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from pydantic import Field
from torch import Tensor, nn

from merbench.api import Batch, Config, Context, Model, Output, Progress, Tune


class ClassifierPenalty(nn.Module):
    """``weight`` times the sum of squares of w* [C, D], as in the public code of KGTN (1911.09579),
    from which KGGR has its second propagation.
    """

    class Config(Config):
        weight: Annotated[float, Field(ge=0), Tune(1e-5, 1e-1, log=True)] = 1e-3

    def __init__(self, config: Config, context: Context, model: Model) -> None:
        super().__init__()
        self.weight = config.weight

    def forward(
        self, model: Model, batch: Batch, out: Output, at: Progress
    ) -> Mapping[str, Tensor]:
        return {"l2": self.weight * out.aux["classifiers"].square().sum()}
