"""``kggr``: each label attends to the steps that concern it, and labels exchange over their graph
(Chen et al. 2022, TPAMI, arXiv 2009.09450, section 3.2).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from merbench.api import (
    LATER,
    Config,
    Context,
    Fused,
    Modality,
    Queries,
    RequestError,
    Steps,
    Tune,
    masked_mean,
    masked_softmax,
)
from merbench_related.fields import Dropout, Width
from merbench_related.kggr.graph_propagation import GatedPropagation
from merbench_related.layers import complete_real, concatenate


class SemanticAttention(nn.Module):
    """f_c [B, C, D] = sum_n alpha_nc f_n over the real steps of all modalities; alpha_.c =
    softmax_n w^T tanh((W1 f_n) * (W2 w_c)), w_c the label's vector.

    The paper's u = W3 tanh(...) + b3 and e = w_a^T u + b_a are two linear maps in a row, whose
    constants no softmax sees: w = W3^T w_a.
    """

    def __init__(self, width: int, query_width: int, inner: int) -> None:
        super().__init__()
        self.of_step = nn.Linear(width, inner, bias=False)
        self.of_label = nn.Linear(query_width, inner, bias=False)
        self.score = nn.Linear(inner, 1, bias=False)

    def forward(self, steps: Steps, emb_CD: Tensor) -> tuple[Tensor, Tensor]:
        """``(f [B, C, D], alpha [B, C, L])``; both 0 for a row without a step."""
        # Unit label vectors, as label encoders return, would leave tanh next to 0.
        label_CE = self.of_label(emb_CD * emb_CD.shape[1] ** 0.5)
        product_BCLE = self.of_step(steps.x_BLD)[:, None] * label_CE[:, None]
        score_BCL = self.score(product_BCLE.tanh())[..., 0]
        alpha_BCL = masked_softmax(score_BCL, steps.mask_BL[:, None])
        return alpha_BCL @ steps.x_BLD, alpha_BCL


class WordMatch(nn.Module):
    """The same f with alpha_.c = softmax_n cos(x_n, w_c - mean of all w) / temperature, of the
    steps and the label vectors as they come: nothing is learned. The common component is taken off
    because any two label words are alike in it.
    """

    def __init__(self, temperature: float) -> None:
        super().__init__()
        self.temperature = temperature

    def forward(self, x_BLW: Tensor, steps: Steps, emb_CW: Tensor) -> tuple[Tensor, Tensor]:
        """``x_BLW``: the steps as they came. ``(f [B, C, D], alpha [B, C, L])``."""
        own_CW = F.normalize(emb_CW - emb_CW.mean(0), dim=-1)
        score_BCL = own_CW @ F.normalize(x_BLW, dim=-1).mT / self.temperature
        alpha_BCL = masked_softmax(score_BCL, steps.mask_BL[:, None])
        return alpha_BCL @ steps.x_BLD, alpha_BCL


class KGGR(nn.Module):
    """Steps per modality and label queries with a graph -> z [B, C, width] = tanh(Wo [h_c ; f_c]):
    f_c what the label attends to, h_c the same after T steps over the graph.

    Queries without a graph: h_c = f_c. ``aux``: ``attention`` [B, C, sum of L_m], over the steps of
    text, audio, video in a row.
    """

    class Config(Config):
        width: Width = 64
        inner: Annotated[int, Field(ge=1), Tune(choices=(64, 128, 256))] = 128
        """Of the bilinear form of step and label (1,024 of 2,048 in the paper)."""
        steps: Annotated[int, Field(ge=0), Tune(0, 4)] = 3
        """T."""
        attend: bool = True
        """False: every label has the mean of all steps."""
        match: Annotated[Literal["learned", "words"], LATER] = "learned"
        """``words``: a label attends to the steps that lie near its own vector (``WordMatch``), for
        encoders that leave words where their vectors are."""
        temperature: Annotated[float, Field(gt=0), LATER] = 0.1
        """Of that match."""
        dropout: Dropout = 0.1
        """On the projected steps and on z."""

    def __init__(
        self,
        config: Config,
        context: Context,
        widths: Mapping[Modality, int],
        query_width: int | None,
    ) -> None:
        super().__init__()
        assert query_width is not None, "a fusion declared to need queries is given them"
        self.widths, self.width = widths, config.width
        self.project = nn.ModuleDict(
            {
                m: nn.Sequential(nn.Linear(w, config.width), nn.LayerNorm(config.width))
                for m, w in widths.items()
            }
        )
        self.modality = nn.ParameterDict(
            {m: nn.Parameter(0.02 * torch.randn(config.width)) for m in widths}
        )
        self.match = WordMatch(config.temperature) if config.match == "words" else None
        learned = config.attend and self.match is None
        self.attention = (
            SemanticAttention(config.width, query_width, config.inner) if learned else None
        )
        if self.match is not None:
            _check_widths(widths, query_width)
        self.propagate = GatedPropagation(config.width, config.steps)
        self.read_out = nn.Linear(2 * config.width, config.width)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, parts: Mapping[Modality, Steps], queries: Queries | None = None) -> Fused:
        assert queries is not None
        inputs = complete_real(parts, self.widths)
        projected = [
            Steps(self.dropout(self.project[m](x_BLD) + self.modality[m]), mask_BL)
            for m, (x_BLD, mask_BL) in inputs.items()
        ]
        steps = concatenate(projected)
        if self.match is not None:
            x_BLW = concatenate(list(inputs.values())).x_BLD
            f_BCD, alpha_BCL = self.match(x_BLW, steps, queries.emb_CD)
        else:
            f_BCD, alpha_BCL = self._attend(steps, queries.emb_CD)
        h_BCD = f_BCD if queries.graph_CC is None else self.propagate(f_BCD, queries.graph_CC)
        z_BCD = self.read_out(torch.cat((h_BCD, f_BCD), -1)).tanh()
        return Fused(self.dropout(z_BCD), {"attention": alpha_BCL})

    def _attend(self, steps: Steps, emb_CD: Tensor) -> tuple[Tensor, Tensor]:
        if self.attention is not None:
            return self.attention(steps, emb_CD)
        share_BL = steps.mask_BL / steps.mask_BL.sum(1, keepdim=True).clamp(min=1)
        rows = (-1, len(emb_CD), -1)
        mean_BD = masked_mean(*steps)
        return mean_BD[:, None].expand(rows), share_BL[:, None].expand(rows)


def _check_widths(widths: Mapping[Modality, int], query_width: int) -> None:
    """RequestError where steps cannot be compared with label vectors."""
    for modality, width in widths.items():
        if width != query_width:
            raise RequestError(
                f"kggr: fusion.match=words compares steps with label vectors, which are "
                f"{query_width} wide, and those of {modality} are {width}; "
                "choose --modalities text and --encoder text=word-vectors, or leave it out"
            )
