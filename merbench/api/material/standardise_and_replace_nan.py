"""Features as models get them: standardised by train rows, without NaN."""

from __future__ import annotations

import torch
from torch import Tensor


def standardised(x_BLD: Tensor, mean_D: Tensor, scale_D: Tensor) -> Tensor:
    """float32, less the mean of the train rows and over their deviation; NaN and inf become 0 (the
    mean). ``x_BLD`` may be overwritten.
    """
    x_BLD = x_BLD.to(torch.float32).sub_(mean_D).div_(scale_D)
    return x_BLD.nan_to_num_(nan=0.0, posinf=0.0, neginf=0.0)
