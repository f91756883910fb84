"""Views along time. A step is counted among the real steps of its row, wherever these lie."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated

import torch
from pydantic import Field
from torch import Generator, Tensor

from merbench.api import Config, Context, Modality, Steps, Tune


class Crop:
    """A random window of ``share`` of each row's steps (at least one); the others are masked."""

    class Config(Config):
        share: Annotated[float, Field(gt=0, le=1), Tune(0.3, 1.0)] = 0.7
        """Share of a row's steps that the window keeps."""

    def __init__(self, config: Config, context: Context) -> None:
        self.share = config.share

    def __call__(self, steps: Mapping[Modality, Steps], draw: Generator) -> dict[Modality, Steps]:
        return {m: Steps(s.x_BLD, self._window(s.mask_BL, draw)) for m, s in steps.items()}

    def _window(self, mask_BL: Tensor, draw: Generator) -> Tensor:
        length_B1 = mask_BL.sum(1, keepdim=True)
        kept_B1 = (self.share * length_B1).ceil().long()
        where_B1 = torch.rand(length_B1.shape, generator=draw, device=mask_BL.device)
        first_B1 = (where_B1 * (length_B1 - kept_B1 + 1)).long()
        rank_BL = mask_BL.cumsum(1) - 1
        return mask_BL & (rank_BL >= first_B1) & (rank_BL < first_B1 + kept_B1)


class TimeWarp:
    """Each row is read along a bent time: step k of n shows what stood at u + a sin(pi u) / pi of
    the way, u = k / (n - 1), with a drawn from [-strength, strength]; values between steps are
    interpolated. First and last step stay.
    """

    class Config(Config):
        strength: Annotated[float, Field(ge=0, lt=1), Tune(0.1, 0.9)] = 0.5
        """How far time is bent at most; 0 = not at all."""

    def __init__(self, config: Config, context: Context) -> None:
        self.strength = config.strength

    def __call__(self, steps: Mapping[Modality, Steps], draw: Generator) -> dict[Modality, Steps]:
        return {m: Steps(self._bent(*s, draw), s.mask_BL) for m, s in steps.items()}

    def _bent(self, x_BLD: Tensor, mask_BL: Tensor, draw: Generator) -> Tensor:
        bend_B1 = torch.rand((len(x_BLD), 1), generator=draw, device=x_BLD.device) * 2 - 1
        last_B1 = (mask_BL.sum(1, keepdim=True) - 1).clamp(min=0)
        rank_BL = (mask_BL.cumsum(1) - 1).clamp(min=0)
        share_BL = rank_BL / last_B1.clamp(min=1)
        share_BL = share_BL + self.strength * bend_B1 * (math.pi * share_BL).sin() / math.pi
        source_BL = (share_BL * last_B1).clamp(min=0)
        below_BL = torch.minimum(source_BL.floor().long(), last_B1)
        above_BL = torch.minimum(below_BL + 1, last_B1)
        # Where the real steps lie: first in this order.
        place_BL = (~mask_BL).to(torch.uint8).argsort(dim=1, stable=True)
        part_BL1 = (source_BL - below_BL)[..., None].to(x_BLD.dtype)
        low_BLD, high_BLD = (_at(x_BLD, place_BL.gather(1, k)) for k in (below_BL, above_BL))
        bent_BLD = low_BLD + part_BL1 * (high_BLD - low_BLD)
        return torch.where(mask_BL[..., None], bent_BLD, x_BLD)


def _at(x_BLD: Tensor, index_BL: Tensor) -> Tensor:
    return x_BLD.gather(1, index_BL[..., None].expand_as(x_BLD))
