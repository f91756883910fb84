"""``self-training``: what a teacher is sure of stands in for hidden labels (after mCL-NER's
self-training on unlabelled target data, 2308.09073; the formulas are ours).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from merbench.api import (
    Batch,
    Config,
    Context,
    Model,
    Output,
    Progress,
    RequestError,
    Tune,
    read_out,
)


class SelfTraining(nn.Module):
    """Term ``pseudo``: ``weight`` * the mean loss of what is not known and the teacher is sure of.

    The teacher is the moving average of the weights. Of labels: cells with p nearer to 0 or 1 than
    .5 - ``margin``, binary cross-entropy to the nearer one. Of a class: rows with max p > .5 +
    ``margin``, cross-entropy to that class. Of a score: rows on which ``draws`` predictions of the
    teacher under dropout have a standard deviation below ``spread``, L1 to their mean. Where all is
    known the term is 0. RequestError for two tasks at once.
    """

    class Config(Config):
        weight: Annotated[float, Field(ge=0), Tune(0.05, 1.0, log=True)] = 0.5
        margin: Annotated[
            float, Field(gt=0, lt=0.5), Tune(0.2, 0.45, spaces=("class", "multilabel"))
        ] = 0.4
        """How far from 1/2 the teacher's probability of a label or class must be to count as sure.
        """
        spread: Annotated[float, Field(gt=0), Tune(0.1, 0.6, spaces=("score",))] = 0.3
        """Of a score: the standard deviation of the teacher's ``draws``, in units of the score,
        below which it counts as sure.
        """
        draws: Annotated[int, Field(ge=2)] = 4
        """Of a score: predictions of the teacher under dropout for each row."""

    def __init__(self, config: Config, context: Context, model: Model) -> None:
        super().__init__()
        self.config, self.space = config, context.space
        if self.space.kind == "joint":
            raise RequestError("self-training is for one task at a time; choose one with --task")

    def forward(
        self, model: Model, batch: Batch, out: Output, at: Progress
    ) -> Mapping[str, Tensor]:
        if batch.known is None or batch.known.all():
            return {"pseudo": out.logits_BC.new_zeros(())}
        loss, sure = {"score": self._score, "class": self._class, "multilabel": self._labels}[
            self.space.kind
        ](model, batch, out)
        counted = sure & ~batch.known
        total = torch.where(counted, loss, 0.0).sum()
        return {"pseudo": self.config.weight * total / counted.sum().clamp(min=1)}

    def _labels(self, model: Model, batch: Batch, out: Output) -> tuple[Tensor, Tensor]:
        """``(loss, sure)`` of each cell [B, C]."""
        p_BC = self._taught(model, batch)
        pseudo_BC = (p_BC > 0.5).to(p_BC.dtype)
        loss_BC = F.binary_cross_entropy_with_logits(out.logits_BC, pseudo_BC, reduction="none")
        return loss_BC, (p_BC - 0.5).abs() > self.config.margin

    def _class(self, model: Model, batch: Batch, out: Output) -> tuple[Tensor, Tensor]:
        """``(loss, sure)`` of each row [B]."""
        p_B, pseudo_B = self._taught(model, batch).max(-1)
        loss_B = F.cross_entropy(out.logits_BC, pseudo_B, reduction="none")
        return loss_B, p_B > 0.5 + self.config.margin

    def _score(self, model: Model, batch: Batch, out: Output) -> tuple[Tensor, Tensor]:
        """``(loss, sure)`` of each row [B]."""
        model.teacher.train()
        draws_KB = torch.stack([self._taught(model, batch) for _ in range(self.config.draws)])
        model.teacher.eval()
        loss_B = (read_out(out.logits_BC, self.space) - draws_KB.mean(0)).abs()
        return loss_B, draws_KB.std(0) < self.config.spread

    @torch.no_grad()
    def _taught(self, model: Model, batch: Batch) -> Tensor:
        return read_out(model.teacher(batch).logits_BC, self.space)
