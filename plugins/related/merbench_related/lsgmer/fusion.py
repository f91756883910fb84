"""``label-signal``: label vectors attend to each modality and gate it (LSGMER, Shao et al. 2025,
2504.05158).
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from merbench.api import (
    Config,
    Context,
    Fused,
    Modality,
    Queries,
    Steps,
    masked_mean,
    require_heads,
)
from merbench_related.fields import Dropout, Heads, Width
from merbench_related.label_words import require_own_words
from merbench_related.layers import Attention, complete_real


class LabelSignal(nn.Module):
    """Steps per modality and label vectors L [C, query_width] -> z [B, 1, width].

    Of each modality, with X_m its projected steps and H0_m [B, width] their masked mean::

        H2_m = Attention(Q = L, K = V = X_m)        [B, C, width]
        w_m  = sigmoid(H2_m)
        H_m  = w_m * H0_m + H2_m                    [B, C, width]

    H = W [all rows of all H_m side by side] + b is the fused vector, z. A missing modality adds
    nothing. ``aux``: ``fused_vector`` H [B, width] and ``label_vectors`` L [C, width], in one
    space.
    """

    class Config(Config):
        width: Width = 64
        heads: Heads = 4
        dropout: Dropout = 0.1
        enhance: bool = True
        """False: H_m = H0_m, no label looks at a modality."""

    def __init__(
        self,
        config: Config,
        context: Context,
        widths: Mapping[Modality, int],
        query_width: int | None,
    ) -> None:
        super().__init__()
        require_heads("fusion", config.width, config.heads)
        assert query_width is not None, "a fusion declared to need queries is given them"
        self.widths, self.width = widths, config.width
        self.project = nn.ModuleDict(
            {
                m: nn.Sequential(
                    nn.Linear(w, config.width),
                    nn.LayerNorm(config.width),
                    nn.Dropout(config.dropout),
                )
                for m, w in widths.items()
            }
        )
        self.label = nn.Linear(query_width, config.width, bias=False)
        self.attend = nn.ModuleDict(
            {
                m: Attention(config.width, config.heads, config.dropout)
                for m in widths
                if config.enhance
            }
        )
        self.dropout = nn.Dropout(config.dropout)
        self.space = context.space
        rows = len(context.space.words) if config.enhance else 1
        self.fuse = nn.Linear(len(widths) * rows * config.width, config.width)

    def forward(self, parts: Mapping[Modality, Steps], queries: Queries | None = None) -> Fused:
        assert queries is not None
        if self.attend:
            way_out = "set fusion.enhance=false"
            require_own_words("label-signal", self.space, queries, way_out)
        label_CD = self.label(queries.emb_CD)
        enhanced = [
            self.enhance(m, steps, label_CD)
            for m, steps in complete_real(parts, self.widths).items()
        ]
        fused_BD = self.fuse(self.dropout(torch.cat(enhanced, 1)))
        return Fused(fused_BD[:, None], {"fused_vector": fused_BD, "label_vectors": label_CD})

    def enhance(self, modality: Modality, steps: Steps, label_CD: Tensor) -> Tensor:
        """[B, C * width]: one modality as each label sees it; [B, width] where none looks."""
        x_BLD, mask_BL = self.project[modality](steps.x_BLD), steps.mask_BL
        h0_B1D = masked_mean(x_BLD, mask_BL)[:, None]
        if not self.attend:
            return h0_B1D[:, 0]
        h2_BCD = self.attend[modality](label_CD.expand(len(x_BLD), -1, -1), x_BLD, mask_BL)
        return (h2_BCD.sigmoid() * h0_B1D + h2_BCD).flatten(1)
