"""Parameters away from where they start."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn


def perturbed(module: nn.Module) -> Any:
    """Norms start at 1 and 0, gates, positions and biases at 0: they could be left out unseen."""
    for parameter in module.parameters():
        parameter.data += 0.1 * torch.randn(parameter.shape)
    return module
