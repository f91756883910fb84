"""GLoMo: global-local modal fusion (Zhuang et al. 2024, ACM Multimedia,
doi 10.1145/3664647.3681527).
"""

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
    compact,
    complete,
    masked_max,
    masked_softmax,
    present_modalities,
    require_heads,
)
from merbench_baselines.attention import EncoderLayer
from merbench_baselines.experts.mixture import Mixture
from merbench_baselines.fields import Dropout, Layers
from merbench_baselines.layers import convolutions, convolved
from merbench_baselines.transformer import Transformer


def windows(x_BLD: Tensor, mask_BL: Tensor, count: int) -> Tensor:
    """[B, count, D]: maxima over windows of equal share of a row's L real steps, window g from
    floor(g L / count) up to, not including, ceil((g + 1) L / count); zeros where L is 0. Real steps
    come first.
    """
    length_B1 = mask_BL.sum(1, keepdim=True)
    number_G = torch.arange(count, device=x_BLD.device)
    first_BG = number_G * length_B1 // count
    end_BG = ((number_G + 1) * length_B1 + count - 1) // count
    at_L = torch.arange(mask_BL.shape[1], device=x_BLD.device)
    inside_BGL = (at_L >= first_BG[..., None]) & (at_L < end_BG[..., None])
    lowest = torch.finfo(x_BLD.dtype).min
    top_BGD = torch.where(inside_BGL[..., None], x_BLD[:, None], lowest).amax(2)
    return torch.where(length_B1[..., None] > 0, top_BGD, 0.0)


class ModalityWeights(nn.Module):
    """Weights of modalities, softmax(MLP([x_m of all]) / sqrt(d)) over those that a row has, and
    the sum of the x_m by them.
    """

    def __init__(self, width: int, count: int, dropout: float) -> None:
        super().__init__()
        self.hidden = nn.Linear(count * width, width)
        self.out, self.dropout = nn.Linear(width, count), nn.Dropout(dropout)

    def forward(self, x_BMD: Tensor, present_BM: Tensor) -> tuple[Tensor, Tensor]:
        score_BM = self.out(self.dropout(self.hidden(x_BMD.flatten(1))).relu())
        score_BM = score_BM / x_BMD.shape[2] ** 0.5
        weight_BM = masked_softmax(score_BM, attendable(present_BM))
        return weight_BM, (weight_BM[..., None] * x_BMD).sum(1)


class GLoMo(nn.Module):
    """z = [what is fused of the modalities' global and of their local vectors; of both of each
    modality, as its global vector counts].

    Global: the maximum over a modality's encoded steps; local: what a mixture of experts makes of
    the maxima of windows of them. All attend to each other first. ``aux``: ``gates`` and ``load``
    [B, M * experts] of the mixtures. A missing modality is zeros that none attends to.
    """

    class Config(Config):
        width: Annotated[int, Field(ge=1), Tune(choices=(32, 48, 96, 192))] = 48
        heads: Annotated[int, Field(ge=1), Tune(choices=(2, 4, 8, 16))] = 16
        layers: Annotated[int, Field(ge=1), Tune(1, 6)] = 4
        """Of the transformer over a modality's steps."""
        windows: Annotated[int, Field(ge=1), Tune(1, 6)] = 3
        """Of a modality's steps."""
        experts: Annotated[int, Field(ge=1), Tune(2, 6)] = 3
        """Of each modality's mixture."""
        chosen: Annotated[int, Field(ge=1)] = 2
        """So many of them count for a row."""
        guided: bool = True
        """z holds the vectors of each modality as its global one counts; False: all alike."""
        fusion_layers: Layers = 2
        """Number of layers of the transformer among the vectors."""
        ffn: Annotated[int, Field(ge=1), Tune(64, 2048, log=True)] = 2048
        """Of the transformer among the vectors."""
        attn_dropout: Dropout = 0.5
        embed_dropout: Dropout = 0.2
        relu_dropout: Dropout = 0.3
        res_dropout: Dropout = 0.3
        dropout: Dropout = 0.3
        """Of the networks that weigh modalities."""

    def __init__(
        self,
        config: Config,
        context: Context,
        widths: Mapping[Modality, int],
        query_width: int | None,
    ) -> None:
        super().__init__()
        d, count = config.width, len(widths)
        require_heads("fusion", d, config.heads)
        if config.chosen > config.experts:
            raise RequestError(
                f"glomo: fusion.chosen {config.chosen} is more than fusion.experts "
                f"{config.experts}; choose at most all of them"
            )
        self.inputs, self.config = widths, config
        self.convolve = convolutions(widths, d, dict.fromkeys(widths, 3))
        self.encode = nn.ModuleDict(
            {m: Transformer(d, config.layers, config.attn_dropout, config) for m in widths}
        )
        self.mixtures = nn.ModuleDict(
            {m: Mixture(config.windows * d, d, d, config.experts, config.chosen) for m in widths}
        )
        self.attend = nn.ModuleList(
            EncoderLayer(d, config.heads, config.ffn, 0.1) for _ in range(config.fusion_layers)
        )
        self.weigh_global = ModalityWeights(d, count, config.dropout)
        self.weigh_local = ModalityWeights(d, count, config.dropout)
        self.both = nn.Linear(2 * d, d)
        self.of_modality = nn.ModuleDict({m: nn.Linear(2 * d, d) for m in widths})
        self.width = 2 * d
        self.widths = {"experts": config.experts}

    def read(self, m: Modality, steps: Steps) -> tuple[Tensor, Tensor]:
        """A modality's global vector [B, D] and its windows [B, windows * D]."""
        steps = compact(steps)
        mask_BL = steps.mask_BL
        x_BLD = self.encode[m](convolved(self.convolve[m], steps), mask_BL)
        return masked_max(x_BLD, mask_BL), windows(x_BLD, mask_BL, self.config.windows).flatten(1)

    def forward(self, parts: Mapping[Modality, Steps], queries: Queries | None = None) -> Fused:
        steps = complete(parts, self.inputs)
        present_BM = present_modalities(steps)
        vectors, gates, loads = [], [], []
        for m, s in steps.items():
            global_BD, window_BC = self.read(m, s)
            local_BD, gate_BE, load_BE = self.mixtures[m](window_BC)
            there_B1 = s.mask_BL.any(1, keepdim=True)
            vectors += [torch.where(there_B1, x_BD, 0.0) for x_BD in (global_BD, local_BD)]
            gates.append(torch.where(there_B1, gate_BE, 0.0))
            loads.append(torch.where(there_B1, load_BE, 0.0))
        h_BHD, mask_BH = torch.stack(vectors, 1), present_BM.repeat_interleave(2, 1)
        for layer in self.attend:
            h_BHD = torch.where(mask_BH[..., None], layer(h_BHD, mask_BH), 0.0)
        global_BMD, local_BMD = h_BHD[:, ::2], h_BHD[:, 1::2]
        weight_BM, of_global_BD = self.weigh_global(global_BMD, present_BM)
        _, of_local_BD = self.weigh_local(local_BMD, present_BM)
        fused_BD = self.both(torch.cat((of_global_BD, of_local_BD), 1))
        if not self.config.guided:
            weight_BM = present_BM / present_BM.sum(1, keepdim=True).clamp(min=1)
        pairs_BMC = torch.cat((global_BMD, local_BMD), 2)
        by_modality = [
            self.of_modality[m](x_BC) for m, x_BC in zip(steps, pairs_BMC.unbind(1), strict=True)
        ]
        guided_BD = (weight_BM[..., None] * torch.stack(by_modality, 1)).sum(1)
        aux = {"gates": torch.cat(gates, 1), "load": torch.cat(loads, 1)}
        return Fused(torch.cat((fused_BD, guided_BD), 1)[:, None], aux)
