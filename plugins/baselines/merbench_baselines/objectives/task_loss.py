"""Objective ``task``: the task's own loss."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

import numpy as np
import torch
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
    RunError,
    own_method,
    task_loss,
)


class Task(nn.Module):
    """``l1`` (and ``soft_ce`` where the head has a logit an anchor) of a score, ``ce`` of a class,
    ``bce`` of labels; of two tasks both. A head or whole model with a method ``loss(out, batch)``
    brings its own terms in place of these.
    """

    class Config(Config):
        weight: Annotated[float, Field(ge=0)] = 1.0
        """Factor on every term."""
        soft_weight: Annotated[float, Field(ge=0)] = 1.0
        """Factor on the cross-entropy to the soft target of a score whose head has a logit an
        anchor.
        """
        balance: bool = False
        """Labels: a positive counts (negatives / positives) of the train split, kept within 1/20
        and 20.
        """

    def __init__(self, config: Config, context: Context, model: Model) -> None:
        super().__init__()
        if config.balance and context.space.kind not in ("multilabel", "joint"):
            raise RequestError(
                "objective.task.balance weighs labels of a multilabel task, "
                f"and this is a {context.space.kind}; leave it out"
            )
        self.config, self.space = config, context.space
        known_C, positive_C = context.counts.known_C, context.counts.positive_C
        ratio_C = ((known_C - positive_C) / np.maximum(positive_C, 1)).clip(1 / 20, 20)
        self.register_buffer(
            "pos_weight_C",
            torch.tensor(ratio_C, dtype=torch.float32) if config.balance else None,
            persistent=False,
        )

    def forward(
        self, model: Model, batch: Batch, out: Output, at: Progress
    ) -> Mapping[str, Tensor]:
        terms = self._own_terms(model, batch, out)
        if terms is None:
            terms = task_loss(
                out.logits_BC,
                batch.target,
                batch.known,
                self.space,
                self.config.soft_weight,
                self.pos_weight_C,
            )
        return {name: self.config.weight * term for name, term in terms.items()}

    def _own_terms(self, model: Model, batch: Batch, out: Output) -> Mapping[str, Tensor] | None:
        """Those of the head or whole model that brings a loss; None where neither does."""
        own_loss = own_method(model, "loss")
        if own_loss is None:
            return None
        terms = own_loss(out, batch)
        if not isinstance(terms, Mapping):
            raise RunError(
                f"{own_loss.__qualname__}() returned a {type(terms).__name__}; "
                'it is to return terms by name, such as {"nll": tensor of one number}'
            )
        return terms
