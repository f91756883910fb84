"""``label-query-decoder``: label queries read a fused sequence (TAILOR, section 3.4)."""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn

from merbench.api import Config, Context, Fused, Queries, Tune, require_heads
from merbench_related.fields import Dropout, Heads, Width
from merbench_related.label_words import require_own_words
from merbench_related.layers import Attention, PostNormLayer


class DecoderLayer(nn.Module):
    """Self-attention among the labels, attention into the sequence, feed-forward."""

    def __init__(self, width: int, heads: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.among_labels = Attention(width, heads, dropout)
        self.norm, self.dropout = nn.LayerNorm(width), nn.Dropout(dropout)
        self.into_sequence = PostNormLayer(width, heads, hidden, dropout)

    def forward(self, q_BCD: Tensor, x_BLD: Tensor, mask_BL: Tensor) -> Tensor:
        all_BC = mask_BL.new_ones(q_BCD.shape[:2])
        q_BCD = self.norm(q_BCD + self.dropout(self.among_labels(q_BCD, q_BCD, all_BC)))
        return self.into_sequence(q_BCD, mask_BL, x_BLD)


class LabelQueryDecoder(nn.Module):
    """A fused sequence and label queries [C, query_width] -> logits [B, C]; both enter in
    ``width``, through a linear layer where theirs differs.

    ``tied``: one weight vector for all labels, so that permuting the labels permutes the logits;
    else one a label. Dropout comes before the last weights, never on a logit.
    """

    class Config(Config):
        width: Width = 64
        heads: Heads = 4
        layers: Annotated[int, Field(ge=1), Tune(1, 3)] = 1
        ffn: Annotated[int, Field(ge=1), Tune(1, 4)] = 1
        """Width of the feed-forward's hidden layer, as a multiple of ``width``."""
        dropout: Dropout = 0.3
        logit_dropout: Dropout = 0.1
        """Of what the last weights read."""
        tied: bool = True
        """True: all labels share one weight vector and bias; False: one each."""

    def __init__(
        self, config: Config, context: Context, width: int, query_width: int | None
    ) -> None:
        super().__init__()
        assert query_width is not None, "a head declared to need queries is given them"
        require_heads("head", config.width, config.heads)
        self.read = _into(config.width, width)
        self.project = _into(config.width, query_width)
        self.norm = nn.LayerNorm(config.width)
        self.dropout, self.logit_dropout = map(nn.Dropout, (config.dropout, config.logit_dropout))
        self.layers = nn.ModuleList(
            DecoderLayer(config.width, config.heads, config.ffn * config.width, config.dropout)
            for _ in range(config.layers)
        )
        self.space, self.tied = context.space, config.tied
        rows = 1 if config.tied else len(context.space.words)
        self.weight_CD = nn.Parameter(torch.randn(rows, config.width) * config.width**-0.5)
        self.bias_C = nn.Parameter(torch.zeros(rows))

    def forward(self, fused: Fused, queries: Queries | None = None) -> Tensor:
        assert queries is not None and fused.steps is not None
        if not self.tied:
            require_own_words("label-query-decoder", self.space, queries, "set head.tied=true")
        x_BLD, mask_BL = fused.steps
        q_CD = self.dropout(self.norm(self.project(queries.emb_CD)))
        x_BLD, q_BCD = self.read(x_BLD), q_CD.expand(len(x_BLD), -1, -1)
        for layer in self.layers:
            q_BCD = layer(q_BCD, x_BLD, mask_BL)
        return (self.logit_dropout(q_BCD) * self.weight_CD).sum(-1) + self.bias_C


def _into(width: int, inputs: int) -> nn.Module:
    return nn.Identity() if inputs == width else nn.Linear(inputs, width)
