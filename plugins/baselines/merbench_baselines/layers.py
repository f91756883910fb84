"""What several methods share: absent modalities, the last LSTM state and the field's utterance
networks.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from merbench.api import Modality, Steps, complete, last_step, lstm_states, masked_mean


def hidden_layer(width: int, hidden: int, width_out: int, dropout: float = 0.0) -> nn.Sequential:
    """Linear, ReLU, dropout, Linear."""
    return nn.Sequential(
        nn.Linear(width, hidden), nn.ReLU(), nn.Dropout(dropout), nn.Linear(hidden, width_out)
    )


def convolutions(
    widths: Mapping[Modality, int], width: int, kernels: Mapping[Modality, int]
) -> nn.ModuleDict:
    """A convolution over time a modality, to one ``width`` and without a bias."""
    return nn.ModuleDict(
        {m: nn.Conv1d(w, width, kernels[m], padding="same", bias=False) for m, w in widths.items()}
    )


def convolved(convolution: nn.Module, steps: Steps, dropout: nn.Module | None = None) -> Tensor:
    """[B, L, D]: a convolution over time, to which masked steps are zeros, as is all that lies
    outside the sequence; ``dropout`` comes before it.
    """
    x_BLD = torch.where(steps.mask_BL[..., None], steps.x_BLD, 0.0)
    x_BLD = x_BLD if dropout is None else dropout(x_BLD)
    return convolution(x_BLD.transpose(1, 2)).transpose(1, 2)


class Residual(nn.Module):
    """x + W_2 dropout(ReLU(W_1 x)), through which a method's last vectors pass."""

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.f = hidden_layer(width, width, width, dropout)

    def forward(self, x_BD: Tensor) -> Tensor:
        return x_BD + self.f(x_BD)


class LastState(nn.Module):
    """LSTM -> [B, hidden], the state after the last real step; zeros where there is none."""

    def __init__(self, width: int, hidden: int, layers: int = 1, dropout: float = 0.0) -> None:
        super().__init__()
        self.lstm = nn.LSTM(
            width, hidden, layers, batch_first=True, dropout=dropout if layers > 1 else 0.0
        )

    def forward(self, steps: Steps, dropout: nn.Module | None = None) -> Tensor:
        """``dropout``: of what the LSTM reads."""
        return last_step(lstm_states(self.lstm, steps, dropout), steps.mask_BL)


class UtteranceNets(nn.Module):
    """One vector h_m [B, width] a modality, zeros where it is missing (Zadeh et al. 2017, section
    4.1).

    Text: the last LSTM state, Linear, ReLU. Audio and video: the masked mean, twice Linear, ReLU.
    """

    def __init__(
        self, widths: Mapping[Modality, int], hidden: int, width: int, dropout: float
    ) -> None:
        super().__init__()
        self.widths = widths
        self.dropout = nn.Dropout(dropout)

        def read(m: Modality, w: int) -> nn.Module:
            return (
                LastState(w, hidden)
                if m == "text"
                else nn.Sequential(nn.Linear(w, hidden), nn.ReLU())
            )

        self.read = nn.ModuleDict({m: read(m, w) for m, w in widths.items()})
        self.narrow = nn.ModuleDict(
            {
                m: nn.Sequential(nn.Dropout(dropout), nn.Linear(hidden, width), nn.ReLU())
                for m in widths
            }
        )

    def forward(self, parts: Mapping[Modality, Steps]) -> dict[Modality, Tensor]:
        h = {}
        for m, steps in complete(parts, self.widths).items():
            # Of audio and video the mean is dropped from, not each of hundreds of steps.
            if m == "text":
                h_BH = self.read[m](steps, self.dropout)
            else:
                h_BH = self.read[m](self.dropout(masked_mean(*steps)))
            h[m] = torch.where(steps.mask_BL.any(1, keepdim=True), self.narrow[m](h_BH), 0.0)
        return h
