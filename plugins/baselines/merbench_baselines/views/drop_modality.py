"""``drop-modality``: some modalities of some rows are hidden."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

import torch
from pydantic import Field
from torch import Generator

from merbench.api import Config, Context, Modality, Steps, Tune, present_modalities


class DropModality:
    """Each modality of each row is masked at this rate; of what a row has, one always stays."""

    class Config(Config):
        rate: Annotated[float, Field(ge=0, le=1), Tune(0.1, 0.7)] = 0.3
        """Probability that a modality of a row is masked."""

    def __init__(self, config: Config, context: Context) -> None:
        self.rate = config.rate

    def __call__(self, steps: Mapping[Modality, Steps], draw: Generator) -> dict[Modality, Steps]:
        has_BM = present_modalities(steps)
        luck_BM = torch.rand(has_BM.shape, generator=draw, device=has_BM.device)
        luckiest_B1 = luck_BM.masked_fill(~has_BM, -1.0).amax(1, keepdim=True)
        stays_BM = (luck_BM >= self.rate) | (luck_BM == luckiest_B1)
        return {
            m: Steps(s.x_BLD, s.mask_BL & stays_BM[:, i : i + 1])
            for i, (m, s) in enumerate(steps.items())
        }
