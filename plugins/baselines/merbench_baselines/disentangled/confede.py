"""ConFEDE: contrastive feature decomposition (Yang et al. 2023, ACL, 2023.acl-long.421)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn

from merbench.api import (
    Config,
    Context,
    Fused,
    Modality,
    Queries,
    Steps,
    Tune,
    by_length,
    compact,
    masked_mean,
)
from merbench_baselines.attention import EncoderLayer
from merbench_baselines.fields import Dropout
from merbench_baselines.layers import hidden_layer
from merbench_baselines.transformer import PositionsFromZero
from merbench_baselines.utterance_vectors import LSTMReader, Readers, StateReader, TextReading

HEADS = 8


class TransformerReader(nn.Module):
    """Steps -> [B, width]: the mean of LN(transformer([learned step; W x] + a * positions)), a
    learned from 0.
    """

    def __init__(self, width_in: int, width: int, layers: int, dropout: float) -> None:
        super().__init__()
        self.width = width
        self.project = nn.Linear(width_in, width)
        self.first_D, self.place = nn.Parameter(torch.ones(width)), PositionsFromZero(width)
        self.dropout, self.norm = nn.Dropout(dropout), nn.LayerNorm(width)
        self.layers = nn.ModuleList(
            EncoderLayer(width, HEADS, width, dropout) for _ in range(layers)
        )

    def run(self, parts: dict[str, Steps]) -> Tensor:
        x_BLD, mask_BL = self.project(parts["x"].x_BLD), parts["x"].mask_BL
        x_BLD = torch.cat((self.first_D.expand(len(x_BLD), 1, -1), x_BLD), 1)
        mask_BL = torch.cat((torch.ones_like(mask_BL[:, :1]), mask_BL), 1)
        x_BLD = self.dropout(self.place(x_BLD))
        for layer in self.layers:
            x_BLD = layer(x_BLD, mask_BL)
        return masked_mean(self.norm(x_BLD), mask_BL)

    def forward(self, steps: Steps) -> Tensor:
        return by_length(self.run, {"x": compact(steps)}, attends=True)


class ConFEDE(nn.Module):
    """z = the similarity and dissimilarity features of every modality, side by side.

    Each is dropout(tanh(W LN(h_m) + b)), half as wide as h_m; h of audio and video from a
    transformer, of text from a language model or an LSTM. ``aux``: ``similar`` and ``dissimilar``
    [B, M, width / 2]; ``utterances``, every h side by side; ``scores`` [B, 2 M], predicted of each
    feature by one network, and ``scored``, which of them there are; ``present`` [B, M].
    """

    class Config(Config):
        width: Annotated[int, Field(ge=HEADS, multiple_of=HEADS)] | None = None
        """Of every h; None: as wide as the text that is read (with BERT the published 768), or the
        next multiple of the heads.
        """
        text: TextReading = "lstm"
        """How text is read: by an LSTM, or as the mean or the first of a language model's states.
        """
        layers: Annotated[int, Field(ge=1), Tune(1, 3)] = 2
        """Of the transformers that read audio and video."""
        reading_dropout: Dropout = 0.5
        dropout: Dropout = 0.5
        """Of the features."""

    def __init__(
        self,
        config: Config,
        context: Context,
        widths: Mapping[Modality, int],
        query_width: int | None,
    ) -> None:
        super().__init__()
        widest = widths.get("text", max(widths.values()))
        width = config.width or HEADS * -(-widest // HEADS)

        def reader(m: Modality, w: int) -> nn.Module:
            if m != "text":
                return TransformerReader(w, width, config.layers, config.reading_dropout)
            if config.text == "lstm":
                return LSTMReader(w, width, width, 0.0)
            return StateReader(w, config.text)

        def projector(m: Modality) -> nn.Module:
            w = self.read.widths[m]
            return nn.Sequential(
                nn.LayerNorm(w), nn.Linear(w, half), nn.Tanh(), nn.Dropout(config.dropout)
            )

        half = width // 2
        self.read = Readers({m: reader(m, w) for m, w in widths.items()}, widths)
        self.similar = nn.ModuleDict({m: projector(m) for m in widths})
        self.dissimilar = nn.ModuleDict({m: projector(m) for m in widths})
        self.score = hidden_layer(half, max(1, half // 2), 1)
        self.width = 2 * half * len(widths)

    def forward(self, parts: Mapping[Modality, Steps], queries: Queries | None = None) -> Fused:
        vectors, present_BM = self.read(parts)

        def features(projectors: nn.ModuleDict) -> Tensor:
            all_BMH = torch.stack([projectors[m](h_BD) for m, h_BD in vectors.items()], 1)
            return torch.where(present_BM[..., None], all_BMH, 0.0)

        similar_BMH, dissimilar_BMH = features(self.similar), features(self.dissimilar)
        both_BSH = torch.cat((similar_BMH, dissimilar_BMH), 1)
        aux = {
            "similar": similar_BMH,
            "dissimilar": dissimilar_BMH,
            "utterances": torch.cat(list(vectors.values()), 1),
            "scores": self.score(both_BSH)[..., 0],
            "scored": torch.cat((present_BM, present_BM), 1),
            "present": present_BM,
        }
        return Fused(both_BSH.flatten(1)[:, None], aux)
