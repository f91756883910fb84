"""Views that change what steps hold; which steps are real stays as it is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated

import torch
from pydantic import Field
from torch import Generator, Tensor

from merbench.api import Config, Context, Modality, Steps, Tune

Share = Annotated[float, Field(ge=0, le=1)]


def each(
    steps: Mapping[Modality, Steps], change: Callable[[Tensor, Tensor], Tensor]
) -> dict[Modality, Steps]:
    """``change(x_BLD, mask_BL)`` of every modality, with its mask."""
    return {m: Steps(change(s.x_BLD, s.mask_BL), s.mask_BL) for m, s in steps.items()}


class Noise:
    """x + sd * (standard deviation of the row's real values) * N(0, 1)."""

    class Config(Config):
        sd: Annotated[float, Field(ge=0), Tune(0.01, 1.0, log=True)] = 0.1
        """Standard deviation of the noise, as a multiple of that of the row's values; 0 = no noise.
        """

    def __init__(self, config: Config, context: Context) -> None:
        self.sd = config.sd

    def __call__(self, steps: Mapping[Modality, Steps], draw: Generator) -> dict[Modality, Steps]:
        def change(x_BLD: Tensor, mask_BL: Tensor) -> Tensor:
            noise_BLD = torch.randn(
                x_BLD.shape, generator=draw, device=x_BLD.device, dtype=x_BLD.dtype
            )
            return x_BLD + self.sd * _deviation(x_BLD.detach(), mask_BL) * noise_BLD

        return each(steps, change)


def _deviation(x_BLD: Tensor, mask_BL: Tensor) -> Tensor:
    """[B, 1, 1]: of the values in a row's real steps, 0 where it has none."""
    real_BLD = mask_BL[..., None].expand_as(x_BLD)
    count_B11 = real_BLD.sum((1, 2), keepdim=True).clamp(min=1)
    mean_B11 = torch.where(real_BLD, x_BLD, 0.0).sum((1, 2), keepdim=True) / count_B11
    square_BLD = torch.where(real_BLD, (x_BLD - mean_B11).square(), 0.0)
    return (square_BLD.sum((1, 2), keepdim=True) / count_B11).sqrt()


class MaskSpans:
    """Zeros in place of runs of ``length`` steps that begin at random; about ``share`` of a row's
    steps are hit (as SpecAugment masks time, Park et al. 2019, 1904.08779).
    """

    class Config(Config):
        share: Annotated[Share, Tune(0.05, 0.6)] = 0.3
        """Share of a row's steps that are zeroed, on average."""
        length: Annotated[int, Field(ge=1), Tune(1, 8)] = 3
        """Steps of each run that is zeroed."""

    def __init__(self, config: Config, context: Context) -> None:
        # So many steps begin no run, that (1 - start) ** length = 1 - share are hit by none.
        self.start, self.length = 1 - (1 - config.share) ** (1 / config.length), config.length

    def __call__(self, steps: Mapping[Modality, Steps], draw: Generator) -> dict[Modality, Steps]:
        def change(x_BLD: Tensor, mask_BL: Tensor) -> Tensor:
            extra = self.length - 1
            shape = (len(mask_BL), mask_BL.shape[1] + extra)
            begins = torch.rand(shape, generator=draw, device=x_BLD.device) < self.start
            hit_BL = begins.unfold(1, self.length, 1).any(-1)
            return torch.where(hit_BL[..., None], 0.0, x_BLD)

        return each(steps, change)


class DropChannels:
    """Zeros in a ``share`` of the dimensions, the same in all steps of a row."""

    class Config(Config):
        share: Annotated[Share, Tune(0.05, 0.5)] = 0.2
        """Share of the dimensions that are zeroed."""

    def __init__(self, config: Config, context: Context) -> None:
        self.share = config.share

    def __call__(self, steps: Mapping[Modality, Steps], draw: Generator) -> dict[Modality, Steps]:
        def change(x_BLD: Tensor, mask_BL: Tensor) -> Tensor:
            shape = (len(x_BLD), 1, x_BLD.shape[-1])
            dropped_B1D = torch.rand(shape, generator=draw, device=x_BLD.device) < self.share
            return torch.where(dropped_B1D, 0.0, x_BLD)

        return each(steps, change)
