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


class Doubling(nn.Module):
    """Stands in a dropout's place, so that where it stands shows in evaluation."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return 2 * x


def doubling(module: nn.Module) -> Any:
    """``module`` with every dropout replaced."""
    for name, child in module.named_children():
        if isinstance(child, nn.Dropout):
            setattr(module, name, Doubling())
        else:
            doubling(child)
    return module
