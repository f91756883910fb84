"""``pair-relation``: the relation of every pair of steps, of one modality and across them (after
mCL-NER, Mo et al. 2024, arXiv 2308.09073, and the pair grid of W2NER, Li et al. 2022).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, NamedTuple

import torch
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
    compact,
    masked_mean,
    masked_softmax,
)
from merbench_related.fields import Dropout, Width
from merbench_related.layers import complete_real
from merbench_related.mclner.targets import RELATIONS
from merbench_related.resampled_steps import resample


class Grid(NamedTuple):
    """The N steps of a batch in a row, and what is known of each: its stream, its place there, its
    share of the utterance.
    """

    x_BND: Tensor
    mask_BN: Tensor
    stream_N: Tensor
    index_N: Tensor
    time_BN: Tensor


def grid_of(parts: Mapping[Modality, Steps], longest: int) -> Grid:
    """Streams one behind another, each of at most ``longest`` steps (a longer one is resampled)."""
    x, mask, streams, places, times = [], [], [], [], []
    for stream, steps in enumerate(parts.values()):
        x_BLD, mask_BL = _at_most(steps, longest)
        place_L = torch.arange(x_BLD.shape[1], device=x_BLD.device)
        x.append(x_BLD)
        mask.append(mask_BL)
        streams.append(torch.full_like(place_L, stream))
        places.append(place_L)
        times.append((place_L + 0.5) / mask_BL.sum(1, keepdim=True).clamp(min=1))
    return Grid(
        torch.cat(x, 1),
        torch.cat(mask, 1),
        torch.cat(streams),
        torch.cat(places),
        torch.cat(times, 1),
    )


def _at_most(steps: Steps, longest: int) -> Steps:
    """Real steps first. A row that is short enough keeps its own, a longer one is resampled."""
    x_BLD, mask_BL = compact(steps)
    if x_BLD.shape[1] <= longest:
        return Steps(x_BLD, mask_BL)
    short_B1 = mask_BL.sum(1, keepdim=True) <= longest
    resampled = resample(Steps(x_BLD, mask_BL), longest)
    return Steps(
        torch.where(short_B1[..., None], x_BLD[:, :longest], resampled.x_BLD),
        torch.where(short_B1, mask_BL[:, :longest], resampled.mask_BL),
    )


class Pairs(nn.Module):
    """r_ij [B, N, N, relation_width] = GELU(W CLN(h_j | h_i)) and relation logits [B, N, N, R] =
    W' r_ij + biaffine(h_i, h_j).

    CLN(h_j | h_i) = LN(h_j) * (1 + G h_i) + (S h_i), a layer norm whose scale and shift the first
    step sets.
    """

    def __init__(self, width: int, relation_width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width, elementwise_affine=False)
        self.scale, self.shift = nn.Linear(width, width), nn.Linear(width, width)
        self.narrow = nn.Sequential(nn.Linear(width, relation_width), nn.GELU())
        self.first, self.second = (nn.Linear(width, relation_width) for _ in range(2))
        biaffine_REE = torch.randn(RELATIONS, relation_width, relation_width) / relation_width
        self.biaffine_REE = nn.Parameter(biaffine_REE)
        self.to_types = nn.Linear(relation_width, RELATIONS)

    def forward(self, h_BND: Tensor) -> tuple[Tensor, Tensor]:
        conditioned = self.norm(h_BND)[:, None] * (1 + self.scale(h_BND))[:, :, None]
        r_BNNE = self.narrow(conditioned + self.shift(h_BND)[:, :, None])
        pair_BNNR = torch.einsum(
            "bie,ref,bjf->bijr", self.first(h_BND), self.biaffine_REE, self.second(h_BND)
        )
        return r_BNNE, self.to_types(r_BNNE) + pair_BNNR


class PairRelation(nn.Module):
    """Steps per modality -> z [B, 1, width] = W [sum_ij a_ij r_ij ; mean of all steps], a = softmax
    over pairs of w^T r_ij + sum_k p(type k)_ij u_k.

    ``aux``, over the N steps of the modalities in a row: ``relation_vectors`` [B, N, N,
    relation_width], ``relation_logits`` [B, N, N, 4], ``relation_cells`` [B, N, N] bool (pairs of
    two different real steps), ``step_mass`` [B, N] (attention that a step's pairs have), and
    ``step_stream`` [N], ``step_index`` [N], ``step_time`` [B, N]. A row of one step has no pair.
    """

    class Config(Config):
        width: Width = 64
        relation_width: Annotated[int, Field(ge=1), Tune(choices=(16, 32, 64))] = 32
        """Width of the vector of each pair of steps."""
        longest: Annotated[int, Field(ge=1), Tune(choices=(8, 12, 16, 24))] = 12
        """Steps of a stream that enter the grid, which grows with the square of their number."""
        dropout: Dropout = 0.1

    def __init__(
        self,
        config: Config,
        context: Context,
        widths: Mapping[Modality, int],
        query_width: int | None,
    ) -> None:
        super().__init__()
        self.widths, self.width, self.longest = widths, config.width, config.longest
        self.project = nn.ModuleDict(
            {
                m: nn.Sequential(nn.Linear(w, config.width), nn.LayerNorm(config.width))
                for m, w in widths.items()
            }
        )
        self.pairs = Pairs(config.width, config.relation_width)
        self.attend = nn.Linear(config.relation_width, 1, bias=False)
        self.of_type = nn.Linear(RELATIONS, 1, bias=False)
        self.out = nn.Linear(config.relation_width + config.width, config.width)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, parts: Mapping[Modality, Steps], queries: Queries | None = None) -> Fused:
        projected = {
            m: Steps(self.dropout(self.project[m](x_BLD)), mask_BL)
            for m, (x_BLD, mask_BL) in complete_real(parts, self.widths).items()
        }
        grid = grid_of(projected, self.longest)
        r_BNNE, logits_BNNR = self.pairs(grid.x_BND)
        other_NN = ~torch.eye(len(grid.stream_N), dtype=torch.bool, device=r_BNNE.device)
        cells_BNN = grid.mask_BN[:, :, None] & grid.mask_BN[:, None] & other_NN

        score_BNN = (self.attend(r_BNNE) + self.of_type(logits_BNNR.softmax(-1)))[..., 0]
        weight_BNN = masked_softmax(score_BNN.flatten(1), cells_BNN.flatten(1))
        weight_BNN = weight_BNN.unflatten(1, score_BNN.shape[1:])
        related_BE = torch.einsum("bij,bije->be", weight_BNN, r_BNNE)
        mean_BD = masked_mean(grid.x_BND, grid.mask_BN)
        z_BD = self.out(self.dropout(torch.cat((related_BE, mean_BD), 1)))
        aux = {
            "relation_vectors": r_BNNE,
            "relation_logits": logits_BNNR,
            "relation_cells": cells_BNN,
            "step_mass": (weight_BNN.sum(1) + weight_BNN.sum(2)) / 2,
            "step_stream": grid.stream_N,
            "step_index": grid.index_N,
            "step_time": grid.time_BN,
        }
        return Fused(z_BD[:, None], aux)
