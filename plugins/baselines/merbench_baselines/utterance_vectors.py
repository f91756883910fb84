"""One vector for an utterance's modality, as the methods built on a language model read them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import torch
from torch import Tensor, nn

from merbench.api import (
    Fused,
    Modality,
    Queries,
    Steps,
    compact,
    complete,
    last_step,
    lstm_states,
    masked_mean,
    present_modalities,
)
from merbench_baselines.layers import LastState

TextReading = Literal["lstm", "mean", "first"]
"""``lstm`` for word vectors; ``mean`` or ``first`` (the first piece, BERT's [CLS]) for the states
of a language model.
"""


class BiLSTM(nn.Module):
    """LSTMs from both directions."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.forward_lstm = nn.LSTM(width, hidden, batch_first=True)
        self.backward_lstm = nn.LSTM(width, hidden, batch_first=True)

    def forward(self, steps: Steps) -> tuple[Tensor, Tensor]:
        """States [B, L, 2 hidden], zeros at masked steps, and those after each direction's last
        step [B, 2 hidden].
        """
        mask_BL = steps.mask_BL
        onward_BLH = lstm_states(self.forward_lstm, steps)
        backward_BLH = lstm_states(self.backward_lstm, steps, backwards=True)
        rows_B, first_B = torch.arange(len(mask_BL), device=mask_BL.device), mask_BL.int().argmax(1)
        ends_BE = torch.cat((last_step(onward_BLH, mask_BL), backward_BLH[rows_B, first_B]), 1)
        return torch.cat((onward_BLH, backward_BLH), 2), ends_BE


class StackedBiLSTM(nn.Module):
    """Two BiLSTMs with a LayerNorm between -> [B, 4 hidden], the end states of both."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.first, self.second = BiLSTM(width, hidden), BiLSTM(2 * hidden, hidden)
        self.norm = nn.LayerNorm(2 * hidden)

    def forward(self, steps: Steps) -> Tensor:
        states_BLE, first_BE = self.first(steps)
        _, second_BE = self.second(Steps(self.norm(states_BLE), steps.mask_BL))
        return torch.cat((first_BE, second_BE), 1)


class EndStates(nn.Module):
    """BiLSTM -> [B, 2 hidden], the state after the last step of each direction."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.lstm = BiLSTM(width, hidden)

    def forward(self, steps: Steps) -> Tensor:
        return self.lstm(steps)[1]


class LSTMReader(nn.Module):
    """Steps -> [B, width]: last state of an LSTM (or of two, one a direction), dropout, Linear."""

    def __init__(
        self, width_in: int, hidden: int, width: int, dropout: float, bidirectional: bool = False
    ) -> None:
        super().__init__()
        self.lstm = EndStates(width_in, hidden) if bidirectional else LastState(width_in, hidden)
        self.project = nn.Sequential(
            nn.Dropout(dropout), nn.Linear(2 * hidden if bidirectional else hidden, width)
        )
        self.width = width

    def forward(self, steps: Steps) -> Tensor:
        return self.project(self.lstm(steps))


class StateReader(nn.Module):
    """Steps -> [B, D]: the mean or the first of a language model's states."""

    def __init__(self, width: int, reading: TextReading) -> None:
        super().__init__()
        self.width, self.reading = width, reading

    def forward(self, steps: Steps) -> Tensor:
        return masked_mean(*steps) if self.reading == "mean" else compact(steps).x_BLD[:, 0]


class Readers(nn.ModuleDict):
    """A reader a modality. Zeros where it is missing."""

    def __init__(self, readers: Mapping[Modality, nn.Module], inputs: Mapping[Modality, int]):
        super().__init__(readers)
        self.inputs = dict(inputs)
        widths: dict[str, Any] = {m: reader.width for m, reader in readers.items()}
        self.widths: dict[str, int] = widths

    def forward(self, parts: Mapping[Modality, Steps]) -> tuple[dict[Modality, Tensor], Tensor]:
        """A vector [B, D_m] a modality, and which are there [B, M]."""
        steps = complete(parts, self.inputs)
        present_BM = present_modalities(steps)
        vectors = {
            m: torch.where(present_B[:, None], self[m](s), 0.0)
            for (m, s), present_B in zip(steps.items(), present_BM.unbind(1), strict=True)
        }
        return vectors, present_BM


class UtteranceFusion(nn.Module):
    """Every modality's vector, side by side, through ``fuse``, which a method makes.

    ``aux``: ``utterances`` [B, sum D_m], the vectors (``widths`` has each as
    ``utterance.MODALITY``), and ``present`` [B, M].
    """

    fuse: nn.Module

    def __init__(self, readers: Mapping[Modality, nn.Module], inputs: Mapping[Modality, int]):
        super().__init__()
        self.read = Readers(readers, inputs)
        self.widths = {f"utterance.{m}": width for m, width in self.read.widths.items()}

    def forward(self, parts: Mapping[Modality, Steps], queries: Queries | None = None) -> Fused:
        vectors, present_BM = self.read(parts)
        utterances_BD = torch.cat(list(vectors.values()), 1)
        aux = {"utterances": utterances_BD, "present": present_BM}
        return Fused(self.fuse(utterances_BD)[:, None], aux)
