"""What the encoders around a pretrained network share."""

from __future__ import annotations

from pathlib import Path

from torch import nn


class Tower(nn.Module):
    """Holds a pretrained ``net``: without gradients and always in evaluation mode, unless ``tuned``.

    ``weights``: the file or folder that it was loaded from, None where it was initialised at random.
    """

    def __init__(self, net: nn.Module, tuned: bool, weights: Path | None) -> None:
        super().__init__()
        self.net = net.requires_grad_(tuned)
        self.frozen = not tuned
        self.weights = weights
        self.measured: dict[str, float] = {}

    def train(self, mode: bool = True) -> Tower:
        super().train(mode)
        if self.frozen:
            self.net.eval()
        return self


def instead_of(part: str, without: str) -> str:
    """How to do without a tower's weights; ``part`` as the command line names it, ``without``: another part that needs none."""
    return f"do without: --part {part}={without}, or an untrained tower with --set {part}.pretrained=random"
