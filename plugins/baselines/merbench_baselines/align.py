"""Streams of unequal length brought to one clock, for methods that step through all at once."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from merbench.api import Modality, Steps, resample


def clock(parts: Mapping[Modality, Steps]) -> Tensor:
    """[B]: the steps of a row's text; where it has none, those of its longest modality."""
    count = {m: steps.mask_BL.sum(1) for m, steps in parts.items()}
    longest_B = torch.stack(list(count.values())).amax(0)
    if "text" not in count:
        return longest_B
    return torch.where(count["text"] > 0, count["text"], longest_B)


def aligned(parts: Mapping[Modality, Steps]) -> dict[Modality, Steps]:
    """Every modality [B, T, D_m] with one mask [B, T], real steps first."""
    length_B = clock(parts)
    x = {m: resample(steps, length_B) for m, steps in parts.items()}
    longest = next(iter(x.values())).shape[1]
    mask_BT = torch.arange(longest, device=length_B.device) < length_B[:, None]
    return {m: Steps(x_BTD, mask_BT) for m, x_BTD in x.items()}
