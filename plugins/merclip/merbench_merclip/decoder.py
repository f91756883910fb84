"""``label-decoder``: the label queries look into one modality after another."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn

from merbench.api import (
    Config,
    Context,
    Fused,
    Modality,
    Queries,
    RequestError,
    Steps,
    Tune,
    attendable,
    masked_mean,
    present_modalities,
    require_heads,
)


class Layer(nn.Module):
    """Self-attention over the labels, cross-attention into one sequence, feed-forward (Vaswani et
    al. 2017, 1706.03762, section 3.1).

    The norms come first (Xiong et al. 2020, 2002.04745): what a query brings with it stays on the
    residual path through all stages, and training needs no warm-up.
    """

    def __init__(self, width: int, heads: int, ffn: int, dropout: float) -> None:
        super().__init__()
        self.among_labels = nn.MultiheadAttention(width, heads, dropout, batch_first=True)
        self.into_modality = nn.MultiheadAttention(width, heads, dropout, batch_first=True)
        self.feed_forward = nn.Sequential(
            nn.Linear(width, ffn), nn.GELU(), nn.Dropout(dropout), nn.Linear(ffn, width)
        )
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(3))
        self.dropout = nn.Dropout(dropout)

    def forward(self, q_BCD: Tensor, x_BLD: Tensor, mask_BL: Tensor) -> Tensor:
        """Queries [B, C, D] -> [B, C, D]. A row without a step adds nothing in cross-attention."""
        n_BCD = self.norms[0](q_BCD)
        q_BCD = q_BCD + self.dropout(self.among_labels(n_BCD, n_BCD, n_BCD, need_weights=False)[0])
        hidden_BL = ~attendable(mask_BL)
        found_BCD, _ = self.into_modality(
            self.norms[1](q_BCD), x_BLD, x_BLD, key_padding_mask=hidden_BL, need_weights=False
        )
        seen_B11 = mask_BL.any(1)[:, None, None]
        q_BCD = q_BCD + torch.where(seen_B11, self.dropout(found_BCD), 0.0)
        return q_BCD + self.dropout(self.feed_forward(self.norms[2](q_BCD)))


class LabelDecoder(nn.Module):
    """Steps per modality and label queries [C, query_width] -> z [B, C, width], one row a label
    (reconstruction items 8-10).

    Each modality: linear, LayerNorm, modality embedding. Then one stage a modality, in ``order``,
    each of ``layers`` layers; the queries of one stage enter the next. ``joint``: a single stage
    over all modalities side by side, the control without a sequence (it has as many layers as one
    stage; ``layers`` times the number of modalities makes the depths equal). No parameter depends
    on C, so that any label space can be decoded; only without a label encoder are the queries
    learned, one a label. ``aux``: ``modality_vectors`` [B, M, width], the masked mean of each
    projected modality, with ``modality_present`` [B, M] bool, and ``label_vectors`` [C, width], the
    queries that enter the first stage: one space, for objectives that align them.
    """

    class Config(Config):
        width: Annotated[int, Field(ge=1), Tune(choices=(32, 64, 128, 256))] = 64
        """Small, for data of MOSI's size. With CLIP towers, their joint width (512 for ViT-B-32)
        lets the queries enter as they are.
        """
        heads: Annotated[int, Field(ge=1), Tune(choices=(2, 4, 8))] = 8
        layers: Annotated[int, Field(ge=1), Tune(1, 3)] = 1
        """Of each stage."""
        ffn: Annotated[int, Field(ge=1), Tune(1, 4)] = 4
        """Width of the feed-forward's hidden layer, as a multiple of ``width``."""
        dropout: Annotated[float, Field(ge=0, lt=1), Tune(0.0, 0.6)] = 0.1
        order: tuple[Modality, ...] = ("text", "audio", "video")
        """Which modality is looked into first; those that the run does not have are skipped."""
        joint: bool = False
        """True: one stage over all modalities side by side; False: a stage for each."""

    def __init__(
        self,
        config: Config,
        context: Context,
        widths: Mapping[Modality, int],
        query_width: int | None,
    ) -> None:
        super().__init__()
        self.width = width = config.width
        require_heads("fusion", width, config.heads)
        if any(config.order.count(m) != 1 for m in widths):
            order_text, modalities_text = ", ".join(config.order), ", ".join(widths)
            raise RequestError(
                f"fusion.order={order_text} must name each modality of this run once, "
                f"and these are {modalities_text}; name them all"
            )
        self.order = tuple(m for m in config.order if m in widths)
        self.joint = config.joint
        self.project = nn.ModuleDict(
            {m: nn.Sequential(nn.Linear(widths[m], width), nn.LayerNorm(width)) for m in widths}
        )
        self.modality = nn.ParameterDict(
            {m: nn.Parameter(0.02 * torch.randn(width)) for m in widths}
        )
        if query_width is None:
            self.learned_CD = nn.Parameter(
                torch.randn(len(context.space.words), width) / width**0.5
            )
        else:
            self.query = nn.Identity() if query_width == width else nn.Linear(query_width, width)
        # Made in the order of ``widths``, so that with one seed every ``order`` starts from the
        # same weights.
        self.stages = nn.ModuleDict(
            {
                stage: nn.ModuleList(
                    Layer(width, config.heads, config.ffn * width, config.dropout)
                    for _ in range(config.layers)
                )
                for stage in (("joint",) if self.joint else widths)
            }
        )
        self.norm = nn.LayerNorm(width)

    def forward(self, parts: Mapping[Modality, Steps], queries: Queries | None = None) -> Fused:
        present = [m for m in self.order if m in parts]
        encoded = {m: self._see(m, parts[m]) for m in present}
        label_CD = self.learned_CD if queries is None else self.query(queries.emb_CD)
        vectors_BMD = torch.stack([masked_mean(*encoded[m]) for m in present], 1)
        present_BM = present_modalities(encoded)

        stages: Mapping[str, Steps] = encoded
        if self.joint:
            x_parts, mask_parts = zip(*encoded.values(), strict=True)
            stages = {"joint": Steps(torch.cat(x_parts, 1), torch.cat(mask_parts, 1))}
        q_BCD = label_CD.expand(len(vectors_BMD), -1, -1)
        for stage, steps in stages.items():
            for layer in self.stages[stage]:
                q_BCD = layer(q_BCD, *steps)
        aux = {
            "modality_vectors": vectors_BMD,
            "modality_present": present_BM,
            "label_vectors": label_CD,
        }
        return Fused(self.norm(q_BCD), aux)

    def _see(self, modality: Modality, steps: Steps) -> Steps:
        # Zeros, since a NaN in a masked step would reach the others through 0 * NaN.
        x_BLD = torch.where(steps.mask_BL[..., None], steps.x_BLD, 0.0)
        return Steps(self.project[modality](x_BLD) + self.modality[modality], steps.mask_BL)
