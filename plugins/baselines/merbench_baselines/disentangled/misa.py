"""MISA: modality-invariant and -specific representations (Hazarika et al. 2020, ACM MM,
arXiv 2005.03545).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from merbench.api import Config, Context, Fused, Modality, Queries, Steps, Tune, require_heads
from merbench_baselines.attention import EncoderLayer
from merbench_baselines.fields import Dropout
from merbench_baselines.utterance_vectors import Readers, StackedBiLSTM, StateReader, TextReading


class Projected(nn.Module):
    """A reader, then Linear, ReLU, LayerNorm: u_m of the paper (section 3.3)."""

    def __init__(self, reader: nn.Module, width_read: int, width: int) -> None:
        super().__init__()
        self.reader, self.width = reader, width
        self.project = nn.Sequential(nn.Linear(width_read, width), nn.ReLU(), nn.LayerNorm(width))

    def forward(self, steps: Steps) -> Tensor:
        return self.project(self.reader(steps))


class MISA(nn.Module):
    """z = the shared and private vectors of every modality after self-attention among them, side by
    side (sections 3.3 and 3.4).

    h^c_m = sigmoid(W^c u_m + b^c), the same for all modalities; h^p_m = sigmoid(W_m u_m + b_m). A
    missing modality's vectors are zeros, and no other attends to them. ``aux``: ``shared``,
    ``private``, ``utterances`` (u_m) and ``reconstructed`` (of h^c_m + h^p_m) [B, M, width], and
    ``present`` [B, M].
    """

    class Config(Config):
        width: Annotated[int, Field(ge=2, multiple_of=2), Tune(choices=(32, 64, 128, 256))] = 128
        rnn: Annotated[int, Field(ge=1)] | None = None
        """States of each direction of the LSTMs; None = as many as their input is wide, as in the
        authors' code.
        """
        text: TextReading = "lstm"
        """How text is read: by LSTMs, or as the mean or the first of a language model's states."""
        heads: Annotated[int, Field(ge=1), Tune(choices=(1, 2))] = 2
        ffn: Annotated[int, Field(ge=1), Tune(64, 2048, log=True)] = 2048
        """Width of the hidden layer of the feed-forward network after the attention."""
        attention_dropout: Dropout = 0.1
        """Of the attention among the vectors."""
        fused: Literal["both", "shared", "private"] = "both"
        """Which vectors are fused."""

    def __init__(
        self,
        config: Config,
        context: Context,
        widths: Mapping[Modality, int],
        query_width: int | None,
    ) -> None:
        super().__init__()
        require_heads("fusion", config.width, config.heads)

        def reader(m: Modality, w: int) -> nn.Module:
            if m == "text" and config.text != "lstm":
                return Projected(StateReader(w, config.text), w, config.width)
            rnn = config.rnn or w
            return Projected(StackedBiLSTM(w, rnn), 4 * rnn, config.width)

        self.read = Readers({m: reader(m, w) for m, w in widths.items()}, widths)

        def encoder() -> nn.Module:
            return nn.Sequential(nn.Linear(config.width, config.width), nn.Sigmoid())

        self.shared = encoder()
        self.private = nn.ModuleDict({m: encoder() for m in widths})
        self.decode = nn.ModuleDict({m: nn.Linear(config.width, config.width) for m in widths})
        self.attend = EncoderLayer(config.width, config.heads, config.ffn, config.attention_dropout)
        self.fused = config.fused
        self.width = config.width * len(widths) * (2 if config.fused == "both" else 1)

    def forward(self, parts: Mapping[Modality, Steps], queries: Queries | None = None) -> Fused:
        utterances, present_BM = self.read(parts)
        u_BMD = torch.stack(list(utterances.values()), 1)
        there_BM1 = present_BM[..., None]
        shared_BMD = torch.where(there_BM1, self.shared(u_BMD), 0.0)
        private = [self.private[m](u_BD) for m, u_BD in utterances.items()]
        private_BMD = torch.where(there_BM1, torch.stack(private, 1), 0.0)
        sums = (shared_BMD + private_BMD).unbind(1)
        decoded = [self.decode[m](x_BD) for m, x_BD in zip(utterances, sums, strict=True)]

        chosen = {"shared": shared_BMD, "private": private_BMD}
        chosen = chosen if self.fused == "both" else {self.fused: chosen[self.fused]}
        h_BHD, mask_BH = (
            torch.cat(list(chosen.values()), 1),
            torch.cat([present_BM] * len(chosen), 1),
        )
        h_BHD = torch.where(mask_BH[..., None], self.attend(h_BHD, mask_BH), 0.0)
        aux = {
            "shared": shared_BMD,
            "private": private_BMD,
            "utterances": u_BMD,
            "reconstructed": torch.stack(decoded, 1),
            "present": present_BM,
        }
        return Fused(h_BHD.flatten(1)[:, None], aux)
