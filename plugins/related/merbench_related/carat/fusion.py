"""``carat``: each modality rebuilt from the others, label by label (CARAT, Peng et al. 2024,
2312.10201, section 3).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

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
    masked_softmax,
    present_modalities,
)
from merbench_related.carat.prototypes import Prototypes
from merbench_related.fields import Width
from merbench_related.layers import complete_real


class Latent(nn.Module):
    """A modality's encoder and decoder: label-wise vectors [..., D] and latents [..., Dz]."""

    def __init__(self, width: int, hidden: int, latent: int) -> None:
        super().__init__()
        self.encode = nn.Sequential(nn.Linear(width, hidden), nn.ReLU(), nn.Linear(hidden, latent))
        self.decode = nn.Sequential(nn.Linear(latent, hidden), nn.ReLU(), nn.Linear(hidden, width))


class Carat(nn.Module):
    """Steps per modality -> slots [B, M, C, width], one a modality, and their mean [B, C, width].

    Of each modality m, H_m its steps projected to ``width``::

        U_m = softmax over steps of (W_m H_m) H_m                 one row a label
        Z_m = Enc_m(U_m);  R_m = Dec_m(Z_m)
        s   = softmax of <Z_m / |Z_m|, mu_m> / temperature        over label present and absent
        M_m = Dec_m(s_present mu_m_present + s_absent mu_m_absent)
        m'  = F_m([R_n for n != m, and M_m in the place of m])     first level
        m'' = F_m([n' for all n])                                  second level: the slots

    A modality that a row lacks is M_m, from the mean of the shares of those it has, wherever R_m
    would stand. ``aux``: ``attended`` U, ``rebuilt`` R and ``first_level`` m' [B, M, C, width],
    ``latents`` [B, 3, M, C, Dz] of U, m' and m'', ``present`` [B, M] bool.
    """

    class Config(Config):
        width: Width = 64
        latent: Annotated[int, Field(ge=1), Tune(choices=(16, 32, 64, 128))] = 64
        """Width of the latents, and of the prototypes."""
        hidden: Annotated[float, Field(gt=0), Tune(0.25, 1.0)] = 0.5
        """Width of the hidden layer between vectors and latents, as a multiple of ``width``."""
        momentum: Annotated[float, Field(ge=0, lt=1), Tune(0.9, 0.999)] = 0.99
        """Share of a prototype kept at each row that updates it."""
        temperature: Annotated[float, Field(gt=0), Tune(0.05, 1.0, log=True)] = 1.0
        """Of the similarities to the prototypes. At 1, as published, M_m is close to their mean."""
        substitute: Literal["soft", "published", "straight-through"] = "soft"
        """``soft``: the shares as they are. ``published``: those in training, the nearer prototype
        alone in evaluation. ``straight-through``: the nearer one, with the gradient of the shares.
        """
        levels: Literal[0, 1, 2] = 2
        """How often modalities are rebuilt; 0: the slots are U itself."""

    def __init__(
        self,
        config: Config,
        context: Context,
        widths: Mapping[Modality, int],
        query_width: int | None,
    ) -> None:
        super().__init__()
        self.config, self.input_widths, self.width = config, widths, config.width
        self.names = list(widths)
        labels, width = len(context.space.words), config.width
        hidden = max(1, round(config.hidden * width))
        self.project = nn.ModuleDict({m: nn.Linear(widths[m], width) for m in self.names})
        self.attend = nn.ModuleDict({m: nn.Linear(width, labels, bias=False) for m in self.names})
        self.latent = nn.ModuleDict({m: Latent(width, hidden, config.latent) for m in self.names})
        rebuild = self.names if config.levels else []
        self.rebuild = nn.ModuleDict({m: nn.Linear(len(widths) * width, width) for m in rebuild})
        self.prototypes = Prototypes(len(widths), labels, config.latent, config.momentum)

    def forward(self, parts: Mapping[Modality, Steps], queries: Queries | None = None) -> Fused:
        sequences = complete_real(parts, self.input_widths)
        present_BM = present_modalities(sequences)
        attended = torch.stack([self.look(m, steps) for m, steps in sequences.items()], 1)
        latents = self.encode(attended)
        rebuilt = self.decode(latents)
        substitute = self.substitute(latents, present_BM)
        shared_if_present = torch.where(
            present_BM[..., None, None], rebuilt if self.config.levels else attended, substitute
        )
        first_level = (
            self.rebuild_from_others(shared_if_present, substitute)
            if self.config.levels
            else shared_if_present
        )
        second_level = (
            self.rebuild_from_all(first_level) if self.config.levels == 2 else first_level
        )
        aux = {
            "attended": attended,
            "rebuilt": rebuilt,
            "first_level": first_level,
            "latents": torch.stack(
                [latents, self.encode(first_level), self.encode(second_level)], 1
            ),
            "present": present_BM,
        }
        return Fused(second_level.mean(1), aux, None, second_level)

    def look(self, modality: Modality, steps: Steps) -> Tensor:
        """U_m [B, C, width]; zeros where the modality is missing."""
        h_BLD = self.project[modality](steps.x_BLD)
        return masked_softmax(self.attend[modality](h_BLD).mT, steps.mask_BL[:, None]) @ h_BLD

    def encode(self, x_BMCD: Tensor) -> Tensor:
        by_modality = zip(self.names, x_BMCD.unbind(1), strict=True)
        return torch.stack([self.latent[m].encode(x_BCD) for m, x_BCD in by_modality], 1)

    def decode(self, z_BMCD: Tensor) -> Tensor:
        by_modality = zip(self.names, z_BMCD.unbind(1), strict=True)
        return torch.stack([self.latent[m].decode(z_BCD) for m, z_BCD in by_modality], 1)

    def substitute(self, latents: Tensor, present_BM: Tensor) -> Tensor:
        """M [B, M, C, width]: what the prototypes say of a modality in its place."""
        share_BMC2 = self.prototypes.shares(latents, present_BM, self.config.temperature)
        nearer_BMC2 = F.one_hot(share_BMC2.argmax(-1), 2).to(share_BMC2.dtype)
        if self.config.substitute == "straight-through":
            share_BMC2 = nearer_BMC2 + share_BMC2 - share_BMC2.detach()
        elif self.config.substitute == "published" and not self.training:
            share_BMC2 = nearer_BMC2
        return self.decode(self.prototypes.mix(share_BMC2))

    def rebuild_from_others(self, present: Tensor, substitute: Tensor) -> Tensor:
        """m' of each modality: itself from its substitute, the others as given."""
        rebuilt = []
        for index, m in enumerate(self.names):
            inputs = list(present.unbind(1))
            inputs[index] = substitute[:, index]
            rebuilt.append(self.rebuild[m](torch.cat(inputs, -1)))
        return torch.stack(rebuilt, 1)

    def rebuild_from_all(self, present: Tensor) -> Tensor:
        """m'' of each modality, by the same maps."""
        side_by_side = present.transpose(1, 2).flatten(2)
        return torch.stack([self.rebuild[m](side_by_side) for m in self.names], 1)
