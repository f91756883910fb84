"""``hide-steps``: some steps of some rows are hidden, at a rate of its own for each row."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

import torch
from pydantic import Field
from torch import Generator, Tensor

from merbench.api import Config, Context, Modality, RequestError, Steps, Tune

Rate = Annotated[float, Field(ge=0, le=1)]


class HideSteps:
    """Each step of a row is masked with the row's rate, drawn between ``low`` and ``high``. The
    other steps keep their places.
    """

    class Config(Config):
        low: Rate = 0.0
        """Lowest rate of hidden steps in a row that loses any."""
        high: Annotated[Rate, Tune(0.3, 1.0)] = 0.9
        """Highest rate of hidden steps in a row that loses any."""
        rows: Rate = 1.0
        """Share of the rows that lose steps (without ``together``: of each modality's rows)."""
        together: bool = True
        """One rate for all modalities of a row; False: one each."""

    def __init__(self, config: Config, context: Context) -> None:
        if config.low > config.high:
            raise RequestError(
                f"hide-steps: low {config.low:g} is above high {config.high:g}; swap them"
            )
        self.config = config

    def _rate(self, like: Tensor, draw: Generator) -> Tensor:
        """[B, 1]: 0 for rows that lose nothing."""
        config, shape = self.config, (len(like), 1)
        level_B1 = torch.rand(shape, generator=draw, device=like.device)
        hit_B1 = torch.rand(shape, generator=draw, device=like.device) < config.rows
        return torch.where(hit_B1, config.low + (config.high - config.low) * level_B1, 0.0)

    def __call__(self, steps: Mapping[Modality, Steps], draw: Generator) -> dict[Modality, Steps]:
        view: dict[Modality, Steps] = {}
        rate_B1: Tensor | None = None
        for m, (x_BLD, mask_BL) in steps.items():
            if rate_B1 is None or not self.config.together:
                rate_B1 = self._rate(mask_BL, draw)
            luck_BL = torch.rand(mask_BL.shape, generator=draw, device=mask_BL.device)
            view[m] = Steps(x_BLD, mask_BL & (luck_BL >= rate_B1))
        return view
