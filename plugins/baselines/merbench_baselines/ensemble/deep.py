"""Model ``deep-ensemble``: members that learn one after another and predict together
(Lakshminarayanan et al. 2017, arXiv 1612.01474, algorithm 1).
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Annotated, Literal

import torch
from torch import Tensor, nn

from merbench.api import (
    Batch,
    Config,
    Context,
    Encoder,
    Modality,
    Output,
    Steps,
    Tune,
    read_out,
)
from merbench_baselines.ensemble.declarations import MEMBERS
from merbench_baselines.fields import Dropout, Width
from merbench_baselines.fusions.pool import Pool
from merbench_baselines.heads import MLP


class Reader(nn.Module):
    """Steps -> pool -> MLP -> logits [B, C]."""

    def __init__(self, config: Config, context: Context, widths: Mapping[Modality, int]) -> None:
        super().__init__()
        pool = Pool.Config(width=config.width, pooling=config.pooling, dropout=config.dropout)
        head = MLP.Config(hidden=config.hidden, dropout=config.head_dropout)
        self.pool = Pool(pool, context, widths, None)
        self.head = MLP(head, context, config.width, None)

    def forward(self, parts: Mapping[Modality, Steps]) -> Tensor:
        return self.head(self.pool(parts))


class DeepEnsemble(nn.Module):
    """Members of encoders, pool and MLP. Each has a stage in which it alone learns, with an order
    of rows and a best epoch of its own; what is predicted is the mean over those that have begun.

    Readers begin at random. Encoders that are trained begin as copies of one, as pretrained ones
    would; frozen ones are shared.
    """

    class Config(Config):
        pooling: Annotated[
            Literal["mean", "max", "last", "attention"],
            Tune(choices=("mean", "max", "last", "attention")),
        ] = "mean"
        """How each modality's steps become one vector, as of fusion ``pool``."""
        width: Width = 128
        """Of what a member's modalities are projected to."""
        hidden: Width = 64
        """Of the hidden layer before the logits."""
        dropout: Dropout = 0.2
        """On the pooled vectors."""
        head_dropout: Dropout = 0.2
        """On the hidden layer."""

    def __init__(
        self, config: Config, context: Context, encoders: Mapping[Modality, Encoder]
    ) -> None:
        super().__init__()
        self.space = context.space
        self.encoders = nn.ModuleDict(encoders)
        trained = {m: encoder for m, encoder in encoders.items() if not encoder.frozen}
        self.copies = nn.ModuleList(
            nn.ModuleDict(copy.deepcopy(trained)) for _ in range(MEMBERS - 1)
        )
        widths = {m: encoder.width for m, encoder in encoders.items()}
        self.readers = nn.ModuleList(Reader(config, context, widths) for _ in range(MEMBERS))
        self.register_buffer("begun_K", torch.zeros(MEMBERS, dtype=torch.bool))

    def forward(self, batch: Batch) -> Output:
        """In a member's stage, where its reader alone is in training mode, its own logits; else
        those of all that have begun, as ``aux["member_logits"]`` [K, B, C] too.
        """
        learning = [k for k, reader in enumerate(self.readers) if reader.training]
        self.begun_K[learning] = True
        members = learning or self.begun_K.nonzero()[:, 0].tolist() or range(MEMBERS)
        logits_KBC = torch.stack([self.readers[k](self._encoded(k, batch)) for k in members])
        return Output(logits_KBC.mean(0), aux={"member_logits": logits_KBC})

    def _encoded(self, member: int, batch: Batch) -> dict[Modality, Steps]:
        encoders = {**self.encoders, **(self.copies[member - 1] if member else {})}
        return {m: encoder(batch.inputs[m]) for m, encoder in encoders.items()}

    def read_out(self, out: Output) -> Tensor:
        """The mean of what members predict: scores, or probabilities."""
        return torch.stack(
            [read_out(logits_BC.float(), self.space) for logits_BC in out.aux["member_logits"]]
        ).mean(0)
