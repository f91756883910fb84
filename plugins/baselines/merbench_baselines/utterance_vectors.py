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
    by_length,
    compact,
    complete,
    last_step,
    masked_mean,
    present_modalities,
)
from merbench_baselines.layers import LastState

TextReading = Literal["lstm", "mean", "first"]
"""``lstm`` for word vectors; ``mean`` or ``first`` (the first piece, BERT's [CLS]) for the states
of a language model.
"""


class BiLSTM(nn.Module):
    """LSTMs from both directions over rows whose real steps come first."""

    network: type[nn.RNNBase] = nn.LSTM

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.forward_lstm = self.network(width, hidden, batch_first=True)
        self.backward_lstm = self.network(width, hidden, batch_first=True)

    def forward(self, steps: Steps) -> tuple[Tensor, Tensor]:
        """States [B, L, 2 hidden], and those after each direction's last step [B, 2 hidden]."""
        x_BLD, mask_BL = steps
        # Rows are reversed within their real steps: torch's packed sequences run half as fast.
        at_L = torch.arange(mask_BL.shape[1], device=mask_BL.device)
        mirror_BL1 = torch.where(mask_BL, mask_BL.sum(1, keepdim=True) - 1 - at_L, at_L)[..., None]
        reversed_BLD = x_BLD.gather(1, mirror_BL1.expand_as(x_BLD))
        onward_BLH, backward_BLH = (
            self.forward_lstm(x_BLD)[0],
            self.backward_lstm(reversed_BLD)[0],
        )
        ends_BE = torch.cat((last_step(onward_BLH, mask_BL), last_step(backward_BLH, mask_BL)), 1)
        backward_BLH = backward_BLH.gather(1, mirror_BL1.expand_as(backward_BLH))
        return torch.cat((onward_BLH, backward_BLH), 2), ends_BE


class BiGRU(BiLSTM):
    """The same with GRUs."""

    network = nn.GRU


class StackedBiLSTM(nn.Module):
    """Two BiLSTMs with a LayerNorm between -> [B, 4 hidden], the end states of both."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.first, self.second = BiLSTM(width, hidden), BiLSTM(2 * hidden, hidden)
        self.norm = nn.LayerNorm(2 * hidden)

    def ends(self, parts: dict[str, Steps]) -> Tensor:
        states_BLE, first_BE = self.first(parts["x"])
        _, second_BE = self.second(Steps(self.norm(states_BLE), parts["x"].mask_BL))
        return torch.cat((first_BE, second_BE), 1)

    def forward(self, steps: Steps) -> Tensor:
        return by_length(self.ends, {"x": compact(steps)})


class EndStates(nn.Module):
    """BiLSTM -> [B, 2 hidden], the state after the last step of each direction."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.lstm = BiLSTM(width, hidden)

    def forward(self, steps: Steps) -> Tensor:
        return by_length(lambda parts: self.lstm(parts["x"])[1], {"x": compact(steps)})


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
