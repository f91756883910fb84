"""``graph-classifier``: classifier weights that labels lend each other over their graph (Chen et
al. 2022, 2009.09450, section 3.3, in the form of the public KGTN, 1911.09579).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from merbench.api import Config, Context, Fused, Queries, Tune
from merbench_related.kggr.graph_propagation import GatedPropagation
from merbench_related.label_words import require_own_words


class GraphClassifier(nn.Module):
    """z [B, C, width] -> logits [B, C] = <z_c, w*_c> + b_c, w* = W0 + Wout [h ; W0], h = W0 after T
    steps over the graph. ``aux``: ``classifiers``, w* [C, width].

    W0 [C, width] is trained; w* is made once a batch, not once a row. Queries without a graph, or
    ``steps`` 0: w* = W0.
    """

    class Config(Config):
        steps: Annotated[int, Field(ge=0), Tune(0, 4)] = 2
        """T."""
        score: Literal["inner", "cosine"] = "inner"
        """A label's logit: the ``inner`` product of z and its weights, or ``scale`` times their
        ``cosine``; plus a bias.
        """
        scale: Annotated[float, Field(gt=0)] = 10.0
        """Of the cosine."""

    def __init__(
        self, config: Config, context: Context, width: int, query_width: int | None
    ) -> None:
        super().__init__()
        self.config, self.space = config, context.space
        labels = len(context.space.words)
        self.weight_CD = nn.Parameter(torch.randn(labels, width) * width**-0.5)
        self.bias_C = nn.Parameter(torch.zeros(labels))
        # Near 0 at first, as KGTN has it: training starts near h = W0 / 2^T, and without the noise
        # the reset gates would never learn.
        self.propagate = GatedPropagation(width, config.steps, start=0.01)
        self.out = nn.Linear(2 * width, width, bias=False) if config.steps else None

    def weights(self, queries: Queries) -> Tensor:
        """w* [C, width]."""
        if self.out is None or queries.graph_CC is None:
            return self.weight_CD
        h_CD = self.propagate(self.weight_CD, queries.graph_CC)
        return self.weight_CD + self.out(torch.cat((h_CD, self.weight_CD), -1))

    def forward(
        self, fused: Fused, queries: Queries | None = None
    ) -> tuple[Tensor, Mapping[str, Tensor]]:
        assert queries is not None
        way_out = "choose a head that reads label vectors, such as --part head=label-guided"
        require_own_words("graph-classifier", self.space, queries, way_out)
        weight_CD, z_BCD = self.weights(queries), fused.z_BCD
        if self.config.score == "cosine":
            near_BC = F.cosine_similarity(z_BCD, weight_CD, dim=-1)
            return self.config.scale * near_BC + self.bias_C, {"classifiers": weight_CD}
        return (z_BCD * weight_CD).sum(-1) + self.bias_C, {"classifiers": weight_CD}
