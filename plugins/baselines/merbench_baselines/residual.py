"""The network through which a method's last vectors pass."""

from __future__ import annotations

from torch import Tensor, nn


class Residual(nn.Module):
    """x + W_2 dropout(ReLU(W_1 x))."""

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.f = nn.Sequential(
            nn.Linear(width, width), nn.ReLU(), nn.Dropout(dropout), nn.Linear(width, width)
        )

    def forward(self, x_BD: Tensor) -> Tensor:
        return x_BD + self.f(x_BD)
