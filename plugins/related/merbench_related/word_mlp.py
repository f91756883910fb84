"""``word-mlp``: a logit for every label word, of a score one for each of its anchors."""

from __future__ import annotations

from torch import Tensor, nn

from merbench.api import Config, Context, Fused, Queries
from merbench_related.fields import Dropout, Width


class WordMLP(nn.Module):
    """z -> Linear -> ReLU -> dropout -> Linear -> logits [B, C], C = number of label words. Of a
    label-wise z the mean over labels is read.

    So a method for classes predicts a score as the softmax-weighted sum of its anchors.
    """

    class Config(Config):
        hidden: Width = 64
        dropout: Dropout = 0.1

    def __init__(
        self, config: Config, context: Context, width: int, query_width: int | None
    ) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(width, config.hidden),
            nn.ReLU(),
            nn.Dropout(config.dropout),
            nn.Linear(config.hidden, len(context.space.words)),
        )

    def forward(self, fused: Fused, queries: Queries | None = None) -> Tensor:
        return self.layers(fused.z_BCD.mean(1))
