"""Torch's own random numbers, from which weights and dropout are drawn."""

from __future__ import annotations

import torch


def seed_torch(seed: int, device: torch.device) -> None:
    """``torch.manual_seed``, which notes the whole stack of calls for each kind of GPU that is not
    in use yet: that takes longer than all else of it, and is not needed on a CPU.
    """
    if device.type == "cpu":
        torch.default_generator.manual_seed(seed)
    else:
        torch.manual_seed(seed)
