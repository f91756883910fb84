"""``stream-supervision``: each stream has to predict by itself (Huang et al. 2020, 2010.00514,
section 3.4), and ``word-types``: no word type may take all words.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn

from merbench.api import Batch, Config, Context, Model, Output, Progress, Tune, task_loss


class StreamSupervision(nn.Module):
    """weight * sum over streams of the task's loss of a linear read-out of that stream's vector.

    Needs ``stream_vectors`` [B, M, D] and ``stream_present`` [B, M]; a row that lacks a stream
    does not count in its loss.
    """

    class Config(Config):
        weight: Annotated[float, Field(ge=0), Tune(0.01, 1.0, log=True)] = 0.1

    def __init__(self, config: Config, context: Context, model: Model) -> None:
        super().__init__()
        self.space, self.weight = context.space, config.weight
        self.heads = nn.ModuleList(
            nn.Linear(model.widths["fused"], context.space.logit_count) for _ in context.streams
        )

    def forward(
        self, model: Model, batch: Batch, out: Output, at: Progress
    ) -> Mapping[str, Tensor]:
        vectors_BMD, present_BM = out.aux["stream_vectors"], out.aux["stream_present"]
        terms: dict[str, Tensor] = {}
        for stream, head in enumerate(self.heads):
            logits_BC, present_B = head(vectors_BMD[:, stream]), present_BM[:, stream]
            known = present_B.reshape(-1, *[1] * (batch.target.ndim - 1)).expand_as(batch.target)
            if batch.known is not None:
                known = known & batch.known
            for name, term in task_loss(logits_BC, batch.target, known, self.space).items():
                terms[name] = terms.get(name, 0.0) + self.weight * term
        return terms


class WordTypes(nn.Module):
    """weight * (log K - entropy of the mean type of the batch's words): 0 where the K types are
    equally frequent. The parser has no supervision of its own and may collapse without it.
    """

    class Config(Config):
        weight: Annotated[float, Field(ge=0), Tune(0.001, 0.1, log=True)] = 0.01

    def __init__(self, config: Config, context: Context, model: Model) -> None:
        super().__init__()
        self.weight = config.weight

    def forward(
        self, model: Model, batch: Batch, out: Output, at: Progress
    ) -> Mapping[str, Tensor]:
        type_BTK, mask_BT = out.aux["word_types"], out.aux["word_mask"]
        total_K = torch.where(mask_BT[..., None], type_BTK, 0.0).sum((0, 1))
        share_K = total_K / mask_BT.sum().clamp(min=1)
        entropy = -(share_K * share_K.clamp(min=1e-12).log()).sum()
        balance = math.log(len(share_K)) - entropy
        return {"balance": self.weight * torch.where(mask_BT.any(), balance, 0.0)}
