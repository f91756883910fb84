"""``label-attentive``: label-token and label-frame interactions, then label-guided fusion (LGCA,
Wang et al. 2023, 2309.02106).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from merbench.api import (
    Config,
    Context,
    Fused,
    Modality,
    Queries,
    Steps,
    Tune,
    masked_mean,
    masked_softmax,
    present_modalities,
)
from merbench_related.fields import Dropout, Width
from merbench_related.layers import complete_real


class LabelAttentive(nn.Module):
    """Steps per modality and label vectors E [C, query_width] -> z [B, C, width].

    With X_m the projected steps of modality m and L_m = U_m E_m [C, width] the labels in its space,
    E_m the label vectors that the modality has of its own, E where it has none::

        A_m  = softmax over steps of cos(L_m, X_m) / temperature      [B, C, steps]
        R_m  = A_m X_m + L_m                                          [B, C, width]
        e_mc = v . tanh(W_r R_mc + W_l L_mc)
        z_c  = LayerNorm(sum over m of softmax_m(e_mc) R_mc)

    Only present modalities take part in the second softmax; a row that has none is a row of zeros
    before the norm.
    """

    class Config(Config):
        width: Width = 64
        dropout: Dropout = 0.1
        temperature: Annotated[float, Field(gt=0), Tune(0.02, 1.0, log=True)] = 0.1
        """Of the cosines of labels to tokens and frames."""
        interaction: bool = True
        """False: every label reads the mean of a modality's steps."""
        guided: bool = True
        """False: the mean over present modalities, whatever the label."""

    def __init__(
        self,
        config: Config,
        context: Context,
        widths: Mapping[Modality, int],
        query_width: int | None,
    ) -> None:
        super().__init__()
        assert query_width is not None, "a fusion declared to need queries is given them"
        self.widths, self.width, self.config = widths, config.width, config
        self.project = nn.ModuleDict({m: self._projection(w) for m, w in widths.items()})
        self.label = nn.ModuleDict(
            {
                m: nn.Linear(context.query_widths.get(m, query_width), self.width, bias=False)
                for m in widths
            }
        )
        # One modality alone needs no weight.
        self.score = None
        if config.guided and len(widths) > 1:
            self.score = nn.Sequential(
                nn.Linear(2 * self.width, self.width),
                nn.Tanh(),
                nn.Linear(self.width, 1, bias=False),
            )
        self.norm = nn.LayerNorm(self.width)

    def _projection(self, width_in: int) -> nn.Module:
        return nn.Sequential(
            nn.Linear(width_in, self.width),
            nn.LayerNorm(self.width),
            nn.Dropout(self.config.dropout),
        )

    def forward(self, parts: Mapping[Modality, Steps], queries: Queries | None = None) -> Fused:
        assert queries is not None
        sequences = complete_real(parts, self.widths)
        label_MCD = torch.stack([self.label[m](queries.of(m)) for m in sequences])
        enhanced_BMCD = torch.stack(
            [
                self.enhance(Steps(self.project[m](x_BLD), mask_BL), label_CD)
                for (m, (x_BLD, mask_BL)), label_CD in zip(
                    sequences.items(), label_MCD, strict=True
                )
            ],
            1,
        )
        weight_BMC = self.weights(enhanced_BMCD, label_MCD, present_modalities(sequences))
        return Fused(self.norm((weight_BMC[..., None] * enhanced_BMCD).sum(1)))

    def enhance(self, steps: Steps, label_CD: Tensor) -> Tensor:
        """R_m [B, C, width] of one modality."""
        if not self.config.interaction:
            return masked_mean(*steps)[:, None] + label_CD
        near_BCL = F.normalize(label_CD, dim=-1) @ F.normalize(steps.x_BLD, dim=-1).mT
        near_BCL = near_BCL / self.config.temperature
        return masked_softmax(near_BCL, steps.mask_BL[:, None]) @ steps.x_BLD + label_CD

    def weights(self, enhanced_BMCD: Tensor, label_MCD: Tensor, present_BM: Tensor) -> Tensor:
        """[B, M, C]: the share of each present modality in a label; zeros where none is."""
        if self.score is None:
            score_BMC = torch.zeros_like(enhanced_BMCD[..., 0])
        else:
            with_label_BMCD = torch.cat([enhanced_BMCD, label_MCD.expand_as(enhanced_BMCD)], -1)
            score_BMC = self.score(with_label_BMCD)[..., 0]
        return masked_softmax(score_BMC, present_BM[..., None], 1)
