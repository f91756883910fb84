"""Early fusion: all modalities side by side at every step, one LSTM over them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from merbench.api import Config, Context, Fused, Modality, Queries, Steps, Tune, compact
from merbench_baselines.fields import Dropout, Width
from merbench_baselines.layers import LastState, complete


def resample(steps: Steps, length_B: Tensor) -> Tensor:
    """[B, T, D]: row b's L_b real steps spread over ``length_B[b]`` steps, T = the largest of those
    (at least 1).

    Step s is the mean of the source steps from floor(s L / T) up to, not including, floor((s + 1) L
    / T), and of at least the first of these: a longer stream is averaged over windows of equal
    share, a shorter one is repeated, a single step is held throughout. A missing modality gives
    zeros; what stands after a row's length is arbitrary.
    """
    x_BLD, mask_BL = compact(steps)
    if torch.equal(mask_BL.sum(1), length_B):  # aligned
        longest = max(1, int(length_B.max()))
        return F.pad(x_BLD, (0, 0, 0, max(0, longest - x_BLD.shape[1])))[:, :longest]
    # A window's sum is a difference of running sums, in double precision so that nothing is lost by
    # it.
    sums_BLD = F.pad(x_BLD.double().cumsum(1), (0, 0, 1, 0))
    source_B1 = mask_BL.sum(1, keepdim=True).clamp(min=1)
    target_B1 = length_B[:, None].clamp(min=1)
    step_T = torch.arange(int(target_B1.max()), device=x_BLD.device)
    first_BT = (step_T * source_B1 // target_B1).minimum(source_B1 - 1)
    end_BT = ((step_T + 1) * source_B1 // target_B1).minimum(source_B1).maximum(first_BT + 1)
    rows_B1 = torch.arange(len(x_BLD), device=x_BLD.device)[:, None]
    mean_BTD = (sums_BLD[rows_B1, end_BT] - sums_BLD[rows_B1, first_BT]) / (end_BT - first_BT)[
        ..., None
    ]
    return mean_BTD.to(x_BLD.dtype)


class EarlyFusionLSTM(nn.Module):
    """z = last state of LSTM(concat_t(text, audio, video)) (EF-LSTM).

    The clock of a row: the steps of its text; where it has none, those of its longest modality.
    Aligned streams pass unchanged, others are brought to the clock by ``resample``.
    """

    class Config(Config):
        hidden: Width = 128
        layers: Annotated[int, Field(ge=1), Tune(1, 4)] = 2
        dropout: Dropout = 0.4
        """On the inputs and between the LSTM's layers."""

    def __init__(
        self,
        config: Config,
        context: Context,
        widths: Mapping[Modality, int],
        query_width: int | None,
    ) -> None:
        super().__init__()
        self.widths, self.width = widths, config.hidden
        self.dropout = nn.Dropout(config.dropout)
        self.lstm = LastState(sum(widths.values()), config.hidden, config.layers, config.dropout)

    def forward(self, parts: Mapping[Modality, Steps], queries: Queries | None = None) -> Fused:
        parts = complete(parts, self.widths)
        count = {m: steps.mask_BL.sum(1) for m, steps in parts.items()}
        longest_B = torch.stack(list(count.values())).amax(0)
        length_B = (
            torch.where(count["text"] > 0, count["text"], longest_B)
            if "text" in count
            else longest_B
        )
        # Dropout comes before, so that a step which is held throughout is not known after all from
        # its many copies.
        dropped = [Steps(self.dropout(steps.x_BLD), steps.mask_BL) for steps in parts.values()]
        x_BTD = torch.cat([resample(steps, length_B) for steps in dropped], 2)
        mask_BT = torch.arange(x_BTD.shape[1], device=x_BTD.device) < length_B[:, None]
        return Fused(self.lstm(Steps(x_BTD, mask_BT))[:, None])
