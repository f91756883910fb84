"""What the memory fusion networks share: an LSTM a modality whose memories are kept at every step,
and the gated memory that sums up what is seen across modalities.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from merbench.api import Config, Modality, Steps, Tune, lstm_memories
from merbench_baselines.fields import AudioWidth, Dropout, TextWidth, Width
from merbench_baselines.layers import hidden_layer

MemoryDropout = Annotated[float, Field(ge=0, lt=1), Tune(0.0, 0.7)]
VideoWidth = Annotated[int, Field(ge=1), Tune(8, 256, log=True, modality="video")]


class MemoryConfig(Config):
    hidden_text: TextWidth = 256
    """Width of the text's LSTM."""
    hidden_audio: AudioWidth = 32
    """Width of the audio's LSTM."""
    hidden_video: VideoWidth = 256
    """Width of the video's LSTM."""
    memory: Annotated[int, Field(ge=1), Tune(64, 512, log=True)] = 400
    """Width of the gated memory."""
    update_hidden: Width = 64
    """Width of the hidden layer of the network that proposes the memory's update."""
    update_dropout: Dropout = 0.0
    retain_hidden: Width = 256
    """Width of the hidden layer of the gate on what the memory keeps."""
    retain_dropout: MemoryDropout = 0.7
    write_hidden: Width = 32
    """Width of the hidden layer of the gate on what is written to the memory."""
    write_dropout: Dropout = 0.5
    gates: Literal["fusion", "fusion+memory"] = "fusion"
    """What the gates look at: what was fused at this step, as the paper has it, or the memory of
    the step before too, as in its authors' code.
    """

    def hidden(self, m: Modality) -> int:
        return {
            "text": self.hidden_text,
            "audio": self.hidden_audio,
            "video": self.hidden_video,
        }[m]


class SystemOfLSTMs(nn.ModuleDict):
    """An LSTM a modality (MFN, section 3.1)."""

    def __init__(self, config: MemoryConfig, widths: Mapping[Modality, int]) -> None:
        super().__init__({m: nn.LSTMCell(w, config.hidden(m)) for m, w in widths.items()})
        self.width = sum(config.hidden(m) for m in widths)

    def forward(self, parts: Mapping[str, Steps]) -> dict[str, tuple[Tensor, Tensor]]:
        """Modality -> states and memories [B, T, hidden]."""
        return {m: lstm_memories(self[m], steps) for m, steps in parts.items()}


class GatedMemory(nn.Module):
    """u_t = r_t * u_{t-1} + w_t * tanh(D_u(a_t)), r and w the sigmoids of networks of a_t (MFN,
    section 3.3); a_t is what was fused at step t, u_0 = 0.
    """

    def __init__(self, width: int, config: MemoryConfig) -> None:
        super().__init__()
        self.width, self.looks_back = config.memory, config.gates == "fusion+memory"
        wide = width + config.memory if self.looks_back else width
        self.update = hidden_layer(
            width, config.update_hidden, config.memory, config.update_dropout
        )
        self.retain = hidden_layer(wide, config.retain_hidden, config.memory, config.retain_dropout)
        self.write = hidden_layer(wide, config.write_hidden, config.memory, config.write_dropout)

    def forward(self, a_BTA: Tensor) -> Tensor:
        """[B, T, memory]: u at every step."""
        update_BTM = self.update(a_BTA).tanh()
        u_BM, u = a_BTA.new_zeros(len(a_BTA), self.width), []
        if self.looks_back:
            for a_BA, update_BM in zip(a_BTA.unbind(1), update_BTM.unbind(1), strict=True):
                both_BC = torch.cat((a_BA, u_BM), 1)
                written_BM = self.write(both_BC).sigmoid() * update_BM
                u_BM = self.retain(both_BC).sigmoid() * u_BM + written_BM
                u.append(u_BM)
        else:  # what does not depend on the memory is computed for all steps at once
            written_BTM = self.write(a_BTA).sigmoid() * update_BTM
            retain_BTM = self.retain(a_BTA).sigmoid()
            for retain_BM, written_BM in zip(
                retain_BTM.unbind(1), written_BTM.unbind(1), strict=True
            ):
                u_BM = torch.addcmul(written_BM, retain_BM, u_BM)
                u.append(u_BM)
        return torch.stack(u, 1)


def with_previous(x_BTD: Tensor) -> Tensor:
    """[B, T, 2 D]: each step after the one before it (zeros before the first)."""
    return torch.cat((F.pad(x_BTD, (0, 0, 1, 0))[:, :-1], x_BTD), 2)
