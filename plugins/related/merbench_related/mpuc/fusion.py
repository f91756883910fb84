"""``side-by-side``: each modality's mean vector, concatenated (MPUC, Franceschini et al. 2022,
arXiv 2207.11482, section 3).
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import nn

from merbench.api import Config, Context, Fused, Modality, Queries, Steps, complete, masked_mean
from merbench_related.fields import Dropout


class SideBySide(nn.Module):
    """z [B, 1, sum of widths] = [mean of text; mean of audio; mean of video], zeros for what is
    missing. It has no parameter: modalities meet in the head alone.
    """

    class Config(Config):
        dropout: Dropout = 0.1

    def __init__(
        self,
        config: Config,
        context: Context,
        widths: Mapping[Modality, int],
        query_width: int | None,
    ) -> None:
        super().__init__()
        self.widths_in, self.width = widths, sum(widths.values())
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, parts: Mapping[Modality, Steps], queries: Queries | None = None) -> Fused:
        means = [masked_mean(*steps) for steps in complete(parts, self.widths_in).values()]
        return Fused(self.dropout(torch.cat(means, 1))[:, None])
