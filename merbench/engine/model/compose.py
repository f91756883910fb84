"""Four parts -> one model."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import nn

from merbench.api import MODALITIES, Batch, LabelSpace, Modality, Output, Queries, Steps, Tokens
from merbench.api.declarations.component import FusedForm
from merbench.engine.model import contract

PREFIXES = ("encoders.", "label_encoder.", "fusion.", "head.", "objective.")
"""With which the names of its parameters, and of its objectives', begin."""


@dataclass(frozen=True)
class Declared:
    """What the parts of a model are declared to return, which is validated as they return it."""

    returns: FusedForm = "pooled"
    fusion: tuple[str, ...] = ()
    head: tuple[str, ...] = ()
    label_encoder: tuple[str, ...] = ()


class Composed(nn.Module):
    """Encoders -> fusion -> head, with label queries where there is a label encoder. Without one,
    parts are given ``None``.
    """

    def __init__(
        self,
        encoders: Mapping[Modality, nn.Module],
        fusion: nn.Module,
        head: nn.Module,
        label_encoder: nn.Module | None,
        declared: Declared = Declared(),
    ) -> None:
        super().__init__()
        self.encoders = nn.ModuleDict({m: encoders[m] for m in MODALITIES if m in encoders})
        self.fusion, self.head, self.label_encoder = fusion, head, label_encoder
        self.declared = declared
        self._reads_tokens = reads_tokens(fusion)
        self.widths = self._widths()

    def _widths(self) -> dict[str, int]:
        widths: dict[str, Any] = {m: encoder.width for m, encoder in self.encoders.items()}
        widths["fused"] = self.fusion.width
        if self.label_encoder is not None:
            widths["queries"] = self.label_encoder.width
        for part in (self.fusion, self.head):
            widths |= getattr(part, "widths", {})
        return widths

    def encode(self, batch: Batch) -> dict[Modality, Steps]:
        """What the fusion is given: Steps per modality."""
        return {
            m: contract.steps(self.encoders[m], self.encoders[m](batch.inputs[m]), len(batch))
            for m in MODALITIES
            if m in self.encoders
        }

    def decode(
        self,
        steps: Mapping[Modality, Steps],
        space: LabelSpace | None = None,
        tokens: Tokens | None = None,
    ) -> Output:
        """Logits from encoded modalities; another ``space`` than the run's own asks for label
        generalisation.
        """
        queries = self._queries(space)
        rows = len(next(iter(steps.values())).mask_BL)
        extra = {"tokens": tokens} if self._reads_tokens else {}
        fused = contract.fused(
            self.fusion,
            self.fusion(steps, queries, **extra),
            rows,
            self.declared.returns,
            self.declared.fusion,
        )
        logits_BC, aux = contract.logits_and_aux(
            self.head, self.head(fused, queries), self.declared.head
        )
        return Output(logits_BC, steps, {**fused.aux, **aux}, fused, queries)

    def _queries(self, space: LabelSpace | None) -> Queries | None:
        if self.label_encoder is None:
            return None
        returned = self.label_encoder() if space is None else self.label_encoder(space)
        queries = contract.queries(self.label_encoder, returned, self.declared.label_encoder)
        return queries if space is None else queries._replace(space=space)

    def forward(self, batch: Batch) -> Output:
        text = batch.inputs.get("text")
        tokens = text if isinstance(text, Tokens) else None
        return self.decode(self.encode(batch), tokens=tokens)


def reads_tokens(fusion: nn.Module) -> bool:
    """True if a fusion's call has a parameter ``tokens``."""
    return "tokens" in inspect.signature(fusion.forward).parameters
