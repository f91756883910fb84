"""``consistency``: what the fused vector resembles agrees with what is predicted (LSGMER's
attribution-prediction consistency).
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
    LabelSpace,
    Model,
    Output,
    Progress,
    RequestError,
    Tune,
)


def jensen_shannon(p_BC: Tensor, q_BC: Tensor) -> Tensor:
    """[B]: JS(p, q) = KL(p, m) / 2 + KL(q, m) / 2 with m = (p + q) / 2, in nats: at most log 2."""
    middle_BC = (p_BC + q_BC) / 2
    # Softmax and sigmoid reach 0 in float32, where the gradient of x log x is not finite.
    least = torch.finfo(p_BC.dtype).tiny

    def times_log(a_BC: Tensor, b_BC: Tensor) -> Tensor:
        return torch.xlogy(a_BC, b_BC.clamp(min=least))

    def kl(a_BC: Tensor) -> Tensor:
        return (times_log(a_BC, a_BC) - times_log(a_BC, middle_BC)).sum(-1)

    return (kl(p_BC) + kl(q_BC)) / 2


def distributions(logits_BC: Tensor, space: LabelSpace) -> Tensor:
    """What logits say: over the labels (class, and score by its anchors) [B, C]; over present and
    absent for each label of a multilabel space [B, C, 2].
    """
    if space.kind == "multilabel":
        return torch.stack([logits_BC.sigmoid(), (-logits_BC).sigmoid()], -1)
    return logits_BC.softmax(-1)


class Consistency(nn.Module):
    """weight * mean over rows of JS(q, p): q of cos(H, L_j) / temperature, p of the logits.

    Both are softmaxes over the labels, over the anchors of a score; of a multilabel task a sigmoid
    a label, and the mean over labels is taken. It reads no target. After each optimiser step it
    moves the label vectors of a label encoder that has ``move()``. RequestError for a head that
    gives a score one logit.
    """

    class Config(Config):
        weight: Annotated[float, Field(ge=0), Tune(0.01, 1.0, log=True)] = 0.1
        temperature: Annotated[float, Field(gt=0), Tune(0.05, 1.0, log=True)] = 1.0
        """Of the cosines. At 1, as published, q is never far from uniform."""

    def __init__(self, config: Config, context: Context, model: Model) -> None:
        super().__init__()
        self.space = context.space
        self.weight, self.temperature = config.weight, config.temperature

    def forward(
        self, model: Model, batch: Batch, out: Output, at: Progress
    ) -> Mapping[str, Tensor]:
        if out.logits_BC.shape[1] != len(self.space.words):
            raise RequestError(
                "consistency compares a distribution over the label words with what they resemble, "
                "and this head gives a score one number; "
                "choose a head with a logit a word, such as --part head=word-mlp"
            )
        near_BC = F.cosine_similarity(
            out.aux["fused_vector"][:, None], out.aux["label_vectors"], dim=-1
        )
        terms = [
            jensen_shannon(distributions(similarity, space), distributions(logits, space)).mean()
            for similarity, logits, space in zip(
                self.space.split_logits(near_BC / self.temperature),
                self.space.split_logits(out.logits_BC),
                self.space.tasks,
                strict=True,
            )
        ]
        return {"consistency": self.weight * torch.stack(terms).sum()}

    def after_step(self, model: Model, at: Progress) -> None:
        if hasattr(model.label_encoder, "move"):
            model.label_encoder.move()
