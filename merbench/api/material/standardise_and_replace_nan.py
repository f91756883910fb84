"""Features as models get them: standardised by train rows, without NaN."""

from __future__ import annotations

import torch
from torch import Tensor


def standardised(x_BLD: Tensor, mean_D: Tensor, scale_D: Tensor) -> Tensor:
    """float32, less the mean of the train rows and over their deviation; NaN and inf become 0 (the
    mean). ``x_BLD`` may be overwritten.
    """
    steps = x_BLD.shape[1]
    # A row's steps side by side: D numbers alone, 5 of some audio, are too few for fast loops.
    x_BN = x_BLD.to(torch.float32).flatten(1).sub_(mean_D.repeat(steps)).div_(scale_D.repeat(steps))
    return x_BN.nan_to_num_(nan=0.0, posinf=0.0, neginf=0.0).view(x_BLD.shape)
