"""``tailor``: what modalities share and what each has alone, encoded from the finest to the common
(TAILOR, Zhang et al. 2022, 2201.05834, section 3).
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint as torch_checkpoint

from merbench.api import (
    Config,
    Context,
    Fused,
    Modality,
    Queries,
    RequestError,
    Steps,
    Tune,
    complete,
    masked_mean,
    require_heads,
)
from merbench_related.fields import Dropout, Heads, Width
from merbench_related.layers import PostNormLayer, concatenate, in_order, real
from merbench_related.resampled_steps import shorten, stretch

# Without the wrapper that imports torch's compiler, which takes as long as importing torch.
checkpoint = inspect.unwrap(torch_checkpoint)

LARGE = 16_384
"""Steps of all rows together. A cross encoder reads a batch of more some rows at a time, at most
``AT_ONCE`` steps, and computes what lies between its layers again in the backward pass.
"""
AT_ONCE = 4_096


class CrossEncoder(nn.Module):
    """Two sequences -> one: their steps one behind the other, with learned positions (counted over
    real steps) and a token type each, through post-norm transformer layers.
    """

    def __init__(self, config: Tailor.Config, longest: int) -> None:
        super().__init__()
        width = config.width
        self.position_LD = nn.Parameter(0.02 * torch.randn(longest, width))
        self.type_2D = nn.Parameter(0.02 * torch.randn(2, width))
        self.norm, self.dropout = nn.LayerNorm(width), nn.Dropout(config.dropout)
        self.layers = nn.ModuleList(
            PostNormLayer(width, config.heads, config.ffn * width, config.dropout)
            for _ in range(config.cross_layers)
        )

    def forward(self, first: Steps, second: Steps) -> Steps:
        mask_BL = torch.cat([first.mask_BL, second.mask_BL], 1)
        if mask_BL.numel() <= LARGE:
            return Steps(self._encode(*first, *second), mask_BL)
        rows = max(1, AT_ONCE // mask_BL.shape[1])
        groups = zip(*(x.split(rows) for x in (*first, *second)), strict=True)
        encoded = [checkpoint(self._encode, *group, use_reentrant=False) for group in groups]
        return Steps(torch.cat(encoded), mask_BL)

    def _encode(self, a_BKD: Tensor, mask_BK: Tensor, b_BND: Tensor, mask_BN: Tensor) -> Tensor:
        type_a_D, type_b_D = self.type_2D
        x_BLD, mask_BL = concatenate(
            [Steps(a_BKD + type_a_D, mask_BK), Steps(b_BND + type_b_D, mask_BN)]
        )
        x_BLD = x_BLD + self.position_LD[(mask_BL.cumsum(1) - 1).clamp(min=0)]
        x_BLD = self.dropout(self.norm(x_BLD))
        for layer in self.layers:
            x_BLD = layer(x_BLD, mask_BL)
        return x_BLD


class Tailor(nn.Module):
    """Steps per modality -> a sequence [B, L, width] and its masked mean.

    Of each modality, with H_m its steps, projected to ``width`` and at most ``longest`` of them::

        P_m = tanh(dropout(W_m H_m))      what it has alone
        C_m = tanh(dropout(W_c H_m))      what it shares; one W_c for all
        C   = sum over m of C_m           stretched to the longest modality of the row
        X   = P of the first of ``order``; X = Encoder_m([P_m ; X]) for each next m
        X3  = Encoder_common([X ; C])

    A missing modality adds nothing to C and no step to X. ``aux``: ``private`` and ``shared``
    [B, M, K, width] with ``refined_mask`` [B, M, K] bool, ``common`` C [B, K', width] with
    ``common_mask``; masked steps are zeros.
    """

    class Config(Config):
        width: Width = 64
        heads: Heads = 4
        ffn: Annotated[int, Field(ge=1), Tune(1, 4)] = 1
        """Width of the feed-forward's hidden layer, as a multiple of ``width``."""
        cross_layers: Annotated[int, Field(ge=1), Tune(1, 3)] = 1
        """Of each encoder of two sequences."""
        dropout: Dropout = 0.3
        private_dropout: Dropout = 0.1
        shared_dropout: Dropout = 0.3
        longest: Annotated[int, Field(ge=1)] = 60
        """Steps of each modality; of a longer one the means of so many bins. The last encoder reads
        at most (modalities + 1) times as many, and its cost grows with their square.
        """
        order: tuple[Modality, ...] = ("audio", "video", "text")
        """Coarse to fine; what comes first is encoded first."""
        private: bool = True
        """False: X3 is encoded from what is shared alone."""
        common: bool = True
        """False: X3 = X, without C."""

    def __init__(
        self,
        config: Config,
        context: Context,
        widths: Mapping[Modality, int],
        query_width: int | None,
    ) -> None:
        super().__init__()
        require_heads("fusion", config.width, config.heads)
        if not config.private and not config.common:
            raise RequestError(
                "fusion.private=false and fusion.common=false leave nothing to encode; "
                "set one of them"
            )
        self.config, self.input_widths, self.width = config, widths, config.width
        self.widths = {"private": self.width, "common": self.width}
        self.order = in_order(config.order, widths)
        self.project = nn.ModuleDict({m: nn.Linear(w, self.width) for m, w in widths.items()})
        self.private = nn.ModuleDict({m: self._refine(config.private_dropout) for m in widths})
        self.shared = self._refine(config.shared_dropout)
        self.encode = nn.ModuleDict(
            {
                m: CrossEncoder(config, (place + 1) * config.longest)
                for place, m in enumerate(self.order)
                if place and config.private
            }
        )
        places = (len(widths) if config.private else 0) + 1
        self.encode_common = (
            CrossEncoder(config, places * config.longest) if config.common else None
        )

    def _refine(self, dropout: float) -> nn.Module:
        return nn.Sequential(nn.Linear(self.width, self.width), nn.Dropout(dropout), nn.Tanh())

    def forward(self, parts: Mapping[Modality, Steps], queries: Queries | None = None) -> Fused:
        hidden = {
            m: self._project(m, steps) for m, steps in complete(parts, self.input_widths).items()
        }
        private = {m: real(self.private[m](h.x_BLD), h.mask_BL) for m, h in hidden.items()}
        shared = {m: real(self.shared(h.x_BLD), h.mask_BL) for m, h in hidden.items()}
        common = self.add_up(list(shared.values()))
        fused = self.descend(private, common)
        aux = {
            "private": stack([private[m].x_BLD for m in hidden]),
            "shared": stack([shared[m].x_BLD for m in hidden]),
            "refined_mask": stack([h.mask_BL for h in hidden.values()]),
            "common": common.x_BLD,
            "common_mask": common.mask_BL,
        }
        return Fused(masked_mean(*fused)[:, None], aux, fused)

    def _project(self, modality: Modality, steps: Steps) -> Steps:
        x_BLD, mask_BL = shorten(steps, self.config.longest)
        return Steps(self.project[modality](x_BLD), mask_BL)

    def add_up(self, shared: list[Steps]) -> Steps:
        """C: the sum over modalities, each stretched to the row's longest."""
        n_MB = torch.stack([steps.mask_BL.sum(1) for steps in shared])
        n_B, length = n_MB.amax(0), max(steps.mask_BL.shape[1] for steps in shared)
        total_BKD = torch.stack([stretch(steps, n_B, length) for steps in shared]).sum(0)
        return Steps(total_BKD, torch.arange(length, device=n_B.device) < n_B[:, None])

    def descend(self, private: Mapping[Modality, Steps], common: Steps) -> Steps:
        """X3: from the coarsest modality to the finest, then what they share."""
        if not self.config.private:
            assert self.encode_common is not None
            nothing = Steps(common.x_BLD[:, :0], common.mask_BL[:, :0])
            return self.encode_common(nothing, common)
        fused = private[self.order[0]]
        for m in self.order[1:]:
            fused = self.encode[m](private[m], fused)
        return fused if self.encode_common is None else self.encode_common(fused, common)


def stack(sequences: list[Tensor]) -> Tensor:
    """[B, M, L, ...] of M tensors [B, L_m, ...], padded with zeros to the longest."""
    longest = max(x.shape[1] for x in sequences)
    padded = [
        torch.cat([x, x.new_zeros(len(x), longest - x.shape[1], *x.shape[2:])], 1)
        for x in sequences
    ]
    return torch.stack(padded, 1)
