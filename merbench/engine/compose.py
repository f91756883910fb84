"""Four parts -> one model."""

from __future__ import annotations

from collections.abc import Mapping

from torch import nn

from merbench.api import MODALITIES, Batch, LabelSpace, Modality, Output, Queries, Steps
from merbench.engine import contract

PREFIXES = ("encoders.", "label_encoder.", "fusion.", "head.", "objective.")
"""With which the names of its parameters, and of its objectives', begin."""


class Composed(nn.Module):
    """Encoders -> fusion -> head, with label queries where there is a label encoder. Without one,
    parts are handed ``None``.
    """

    def __init__(
        self,
        encoders: Mapping[Modality, nn.Module],
        fusion: nn.Module,
        head: nn.Module,
        label_encoder: nn.Module | None,
    ) -> None:
        super().__init__()
        self.encoders = nn.ModuleDict({m: encoders[m] for m in MODALITIES if m in encoders})
        self.fusion, self.head, self.label_encoder = fusion, head, label_encoder

    def encode(self, batch: Batch) -> dict[Modality, Steps]:
        """What the fusion is handed: Steps per modality."""
        return {
            m: contract.steps(self.encoders[m], self.encoders[m](batch.inputs[m]), len(batch))
            for m in MODALITIES
            if m in self.encoders
        }

    def decode(self, parts: Mapping[Modality, Steps], space: LabelSpace | None = None) -> Output:
        """Logits from encoded modalities; another ``space`` than the run's own asks for label
        generalisation.
        """
        queries: Queries | None = None
        if self.label_encoder is not None:
            queries = contract.queries(
                self.label_encoder,
                self.label_encoder() if space is None else self.label_encoder(space),
            )
        rows = len(next(iter(parts.values())).mask_BL)
        fused = contract.fused(self.fusion, self.fusion(parts, queries), rows)
        aux = dict(fused.aux) if queries is None else {**fused.aux, "queries": queries.emb_CD}
        return Output(self.head(fused, queries), parts, aux)

    def forward(self, batch: Batch) -> Output:
        return self.decode(self.encode(batch))
