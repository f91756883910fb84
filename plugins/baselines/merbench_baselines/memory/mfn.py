"""Memory Fusion Network (Zadeh et al. 2018, AAAI, arXiv 1802.00927)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from merbench.api import (
    Context,
    Fused,
    Modality,
    Queries,
    Steps,
    Tune,
    by_length,
    complete,
    last_step,
)
from merbench_baselines.align import aligned
from merbench_baselines.fields import Dropout
from merbench_baselines.layers import hidden_layer
from merbench_baselines.memory.lstm_memories import (
    GatedMemory,
    MemoryConfig,
    SystemOfLSTMs,
    with_previous,
)


class DeltaMemoryAttention(nn.Module):
    """a_t = softmax(D_a(c*)) * c*, c* = [c_{t-1}; c_t] of all modalities side by side (section 3.2,
    eq. 6 and 7).
    """

    def __init__(self, width: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.score = hidden_layer(width, hidden, width, dropout)

    def forward(self, c_BTC: Tensor) -> Tensor:
        return self.score(c_BTC).softmax(2) * c_BTC


class MFN(nn.Module):
    """z = [h_T of every modality's LSTM; u_T], u the gated memory over delta-memory attention.

    Steps through all modalities at once: streams that are not aligned are brought to one clock
    (``align.aligned``). A missing modality is a stream of zeros.
    """

    class Config(MemoryConfig):
        attention_hidden: Annotated[int, Field(ge=1), Tune(16, 256, log=True)] = 32
        """Width of the hidden layer of the attention over memories."""
        attention_dropout: Dropout = 0.2
        delta: bool = True
        """The attention looks at the memories of two steps; False: at those of one, so that it
        cannot see them change.
        """
        summary: Literal["gated", "last", "none"] = "gated"
        """What z holds beside the states: the gated memory, the update proposed at the last step
        alone (no memory across time), or nothing.
        """

    def __init__(
        self,
        config: Config,
        context: Context,
        widths: Mapping[Modality, int],
        query_width: int | None,
    ) -> None:
        super().__init__()
        self.widths, self.delta, self.summary = widths, config.delta, config.summary
        self.lstms = SystemOfLSTMs(config, widths)
        self.width = self.lstms.width
        if config.summary == "none":
            return
        wide = self.lstms.width * (2 if config.delta else 1)
        self.attention = DeltaMemoryAttention(
            wide, config.attention_hidden, config.attention_dropout
        )
        self.memory = (
            GatedMemory(wide, config)
            if config.summary == "gated"
            else hidden_layer(wide, config.update_hidden, config.memory, config.update_dropout)
        )
        self.width += config.memory

    def last_states(self, parts: Mapping[str, Steps]) -> Tensor:
        """[B, width] of aligned streams."""
        runs = self.lstms(parts)
        states = [h_BTH for h_BTH, _ in runs.values()]
        if self.summary != "none":
            c_BTC = torch.cat([c_BTH for _, c_BTH in runs.values()], 2)
            a_BTA = self.attention(with_previous(c_BTC) if self.delta else c_BTC)
            u_BTM = self.memory(a_BTA)
            states.append(u_BTM if self.summary == "gated" else u_BTM.tanh())
        mask_BT = next(iter(parts.values())).mask_BL
        return last_step(torch.cat(states, 2), mask_BT)

    def forward(self, parts: Mapping[Modality, Steps], queries: Queries | None = None) -> Fused:
        streams = aligned(complete(parts, self.widths))
        return Fused(by_length(self.last_states, streams)[:, None])
