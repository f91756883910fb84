"""``splc``: a loss for labels of which some are not known (Zhang et al. 2021, SPLC; the supervised
term of SCPNet, 2303.13223, section 3.4).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from merbench.api import (
    Batch,
    Config,
    Context,
    LabelSpace,
    Model,
    Output,
    Progress,
    Tune,
    task_loss,
)


def _of_labels(low: float, high: float) -> Tune:
    """Other tasks have a loss without these settings."""
    return Tune(low, high, spaces=("multilabel", "joint"))


class SPLC(nn.Module):
    """Focal loss with a margin, sum over labels, mean over rows::

        positive: -(1 - p)^gamma log p, p = sigmoid(x - margin)
        negative: -p^gamma log(1 - p),  p = sigmoid(x)

    A cell that is not known counts as negative, or not at all (``unknown``); from epoch
    ``change_epoch`` on it becomes positive where sigmoid(x) > ``tau``. A cell known to be negative
    never does. Of a score and of a class: the task's own loss.
    """

    class Config(Config):
        weight: Annotated[float, Field(gt=0)] = 1.0
        tau: Annotated[float, Field(gt=0, lt=1), _of_labels(0.5, 0.9)] = 0.6
        """Probability beyond which an unknown label becomes positive, from ``change_epoch`` on."""
        margin: Annotated[float, Field(ge=0), _of_labels(0.0, 2.0)] = 1.0
        """Subtracted from the logits of positive labels."""
        gamma: Annotated[float, Field(ge=0), _of_labels(0.0, 4.0)] = 2.0
        """Exponent of the focal weight: higher, and what is predicted well counts less; 0 = cross-
        entropy.
        """
        change_epoch: Annotated[int, Field(ge=0)] = 1
        """Epoch, counted from 0, from which likely unknown labels become positive."""
        unknown: Literal["auto", "negative", "ignore"] = "auto"
        """``negative``: as published, for rows of which one positive is known. ``ignore``: no loss.
        ``auto``: negative where no negative is known in train, else ignored.
        """

    def __init__(self, config: Config, context: Context, model: Model) -> None:
        super().__init__()
        self.config, self.space = config, context.space
        counts = context.counts
        knows_negatives = bool((counts.known_C > counts.positive_C + 1e-9).any())
        auto = "ignore" if knows_negatives else "negative"
        self.ignore = (auto if config.unknown == "auto" else config.unknown) == "ignore"

    def forward(
        self, model: Model, batch: Batch, out: Output, at: Progress
    ) -> Mapping[str, Tensor]:
        terms: dict[str, Tensor] = {}
        by_task = zip(
            self.space.split_logits(out.logits_BC),
            *map(self.space.split_targets, (batch.target, batch.known)),
            self.space.tasks,
            strict=True,
        )
        for logits_BC, target, known, space in by_task:
            terms |= self._terms(logits_BC, target, known, space, at.epoch)
        return {name: self.config.weight * term for name, term in terms.items()}

    def _terms(
        self, logits_BC: Tensor, target: Tensor, known: Tensor | None, space: LabelSpace, epoch: int
    ) -> dict[str, Tensor]:
        if space.kind != "multilabel":
            return task_loss(logits_BC, target, known, space)
        known_BC = torch.ones_like(target, dtype=torch.bool) if known is None else known
        positive_BC = (target > 0.5) & known_BC
        if epoch >= self.config.change_epoch:
            likely_BC = logits_BC.detach().sigmoid() > self.config.tau
            positive_BC = positive_BC | (likely_BC & ~known_BC)
        counted_BC = positive_BC | known_BC if self.ignore else torch.ones_like(known_BC)
        towards_BC = torch.where(positive_BC, logits_BC - self.config.margin, -logits_BC)
        log_p_BC = F.logsigmoid(towards_BC)
        # Above 0, where the gradient of a power below 1 is infinite.
        unlikely_BC = (1 - log_p_BC.exp()).clamp(min=torch.finfo(log_p_BC.dtype).eps)
        cells_BC = -(unlikely_BC**self.config.gamma) * log_p_BC
        return {"splc": torch.where(counted_BC, cells_BC, 0.0).sum(1).mean()}
