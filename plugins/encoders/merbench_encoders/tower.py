"""What the encoders around a pretrained network share."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

from torch import nn


class Tower(nn.Module):
    """Holds a pretrained ``net``: without gradients and always in evaluation mode, unless ``tuned``."""

    def __init__(self, net: nn.Module, tuned: bool) -> None:
        super().__init__()
        self.net = net.requires_grad_(tuned)
        self.frozen = not tuned
        self.measured: dict[str, float] = {}

    def train(self, mode: bool = True) -> Tower:
        super().train(mode)
        if self.frozen:
            self.net.eval()
        return self


def digest(files: Iterable[Path]) -> str:
    """SHA-256 of the files' contents, one after the other."""
    whole = hashlib.sha256()
    for path in files:
        with path.open("rb") as file:
            whole.update(hashlib.file_digest(file, "sha256").digest())
    return whole.hexdigest()
