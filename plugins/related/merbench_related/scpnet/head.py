"""``cosine-label``: scaled cosine to each label's vector, and a bias (SCPNet, 2303.13223)."""

from __future__ import annotations

from typing import Annotated

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from merbench.api import Config, Context, Fused, LabelSpace, Queries, RequestError, Tune


class CosineLabel(nn.Module):
    """z [B, 1 or C, width] and label vectors E [C, query_width] -> logits [B, C] = scale * cos(W z,
    E_c) + b_c.

    The bias is not in the paper: labels differ in how frequent they are, and a cosine does not know
    it. It belongs to the run's own words, in whatever order they are read, and no other has one.
    """

    class Config(Config):
        scale: Annotated[float, Field(gt=0), Tune(1.0, 100.0, log=True)] = 10.0
        """10 in the paper, but for one data set."""
        learn_scale: bool = False
        """True: the scale is trained, from ``scale`` on; False: it stays."""
        bias: bool = True
        """True: a learned offset is added to each label's logit; False: none."""

    def __init__(
        self, config: Config, context: Context, width: int, query_width: int | None
    ) -> None:
        super().__init__()
        if query_width is None:
            raise RequestError("cosine-label compares with label vectors; give a label encoder")
        self.space = context.space
        self.project = nn.Linear(width, query_width, bias=False)
        log_scale = torch.tensor(config.scale).log()
        if config.learn_scale:
            self.log_scale = nn.Parameter(log_scale)
        else:
            self.register_buffer("log_scale", log_scale, persistent=False)
        self.bias_C = nn.Parameter(torch.zeros(len(self.space.words))) if config.bias else None

    def forward(self, fused: Fused, queries: Queries | None = None) -> Tensor:
        assert queries is not None
        z_BCD = self.project(fused.z_BCD)
        near_BC = F.cosine_similarity(z_BCD, queries.emb_CD, dim=-1)
        logits_BC = self.log_scale.exp() * near_BC
        return logits_BC if self.bias_C is None else self._biased(logits_BC, queries.space)

    def _biased(self, logits_BC: Tensor, space: LabelSpace | None) -> Tensor:
        own = self.space.words
        if space is None or space.words == own:
            return logits_BC + self.bias_C
        if sorted(space.words) != sorted(own):
            return logits_BC
        return logits_BC + self.bias_C[[own.index(word) for word in space.words]]
