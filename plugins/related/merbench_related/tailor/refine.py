"""``refine``: what makes private parts private and shared parts shared (TAILOR, section 3.2)."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations
from typing import Annotated, Literal

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
    Tune,
    masked_mean,
    reverse_gradient,
    task_loss,
)

Weight = Annotated[float, Field(ge=0), Tune(1e-3, 1e-1, log=True)]


def gram_norm(a_BLD: Tensor, b_BLD: Tensor) -> Tensor:
    """Mean over rows of ||A B^T||_F^2, A and B [L, D]: steps against steps, not normalised. Masked
    steps are zeros and add nothing. Of sequences longer than wide it is computed as the equal
    <A^T A, B^T B>, so that nothing of size L x L is stored.
    """
    if a_BLD.shape[1] > a_BLD.shape[2]:
        return ((a_BLD.mT @ a_BLD) * (b_BLD.mT @ b_BLD)).sum((1, 2)).mean()
    return (a_BLD @ b_BLD.mT).square().sum((1, 2)).mean()


def difference(a_BLD: Tensor, b_BLD: Tensor, both_BL: Tensor) -> Tensor:
    """Mean of (A^T B)^2, A and B [N, D]: the steps of all rows that both have, centred, then of
    unit length (Bousmalis et al. 2016, 1608.06019, section 3.1, widths against widths).
    """
    a_ND, b_ND = (
        F.normalize(x[both_BL] - masked_mean(x.flatten(0, 1)[None], both_BL.flatten()[None]), dim=1)
        for x in (a_BLD, b_BLD)
    )
    return (a_ND.T @ b_ND).square().mean()


class Refine(nn.Module):
    """The auxiliary terms of TAILOR, over real steps.

    ``adversary_private``: sum over modalities m of CE(D(P_m), m); D names the modality of a step.
    ``adversary_shared``: the same of C_m behind a gradient reversal, so that C_m hides it.
    ``orthogonal``: sum over pairs of ||P_m P_n^T||^2 plus sum over m of ||C_m P_m^T||^2.
    ``common_labels``: the task's own loss of a linear classifier of the common sequence alone.

    With a single modality there is none to name, and the two first terms are left out.
    """

    class Config(Config):
        adversary: Weight = 0.01
        """Weight of both terms of the network that names the modality of a step."""
        orthogonal: Annotated[float, Field(ge=0), Tune(1e-6, 1e-4, log=True)] = 5e-6
        """Of ``gram``, which is not normalised; about 1e-1 suits ``widths``."""
        common_labels: Annotated[float, Field(ge=0), Tune(0.05, 1.0, log=True)] = 0.5
        """Weight of the task's loss of a linear classifier of the common sequence alone."""
        orthogonality: Literal["gram", "widths"] = "gram"
        """``gram``: steps against steps, as published. ``widths``: as in Bousmalis et al."""
        pool: Literal["mean", "first"] = "mean"
        """What the classifier reads of the common sequence; the authors' code: its first step."""
        reversal: Annotated[float, Field(ge=0), Tune(0.1, 1.0, log=True)] = 1.0
        """How strongly the encoders are pushed to hide their modality in C_m."""
        dropout: Annotated[float, Field(ge=0, lt=1)] = 0.1

    def __init__(self, config: Config, context: Context, model: Model) -> None:
        super().__init__()
        self.config, self.space = config, context.space
        width, names = model.widths["private"], len(context.streams)
        self.discriminator = None
        if names > 1:
            self.discriminator = nn.Sequential(
                nn.Linear(width, max(1, width // 2)),
                nn.Dropout(config.dropout),
                nn.ReLU(),
                nn.Linear(max(1, width // 2), names),
            )
        self.dropout = nn.Dropout(config.dropout)
        self.classifier = nn.Linear(model.widths["common"], context.space.logit_count)

    def forward(
        self, model: Model, batch: Batch, out: Output, at: Progress
    ) -> Mapping[str, Tensor]:
        private, shared, mask = (out.aux[name] for name in ("private", "shared", "refined_mask"))
        terms = {
            "orthogonal": self.config.orthogonal * self.orthogonal(private, shared, mask),
            "common_labels": self.config.common_labels * self.common_labels(batch, out),
        }
        if self.discriminator is not None:
            hidden = reverse_gradient(shared, self.config.reversal)
            terms["adversary_private"] = self.config.adversary * self.names(private, mask)
            terms["adversary_shared"] = self.config.adversary * self.names(hidden, mask)
        return terms

    def names(self, x_BMLD: Tensor, mask_BML: Tensor) -> Tensor:
        """Sum over modalities of the mean cross-entropy of their real steps to their own name."""
        assert self.discriminator is not None
        logits_BMLN = self.discriminator(x_BMLD)
        own_BML = torch.arange(mask_BML.shape[1], device=mask_BML.device)[:, None].expand_as(
            mask_BML
        )
        loss_BML = F.cross_entropy(logits_BMLN.flatten(0, 2), own_BML.flatten(), reduction="none")
        loss_BML = torch.where(mask_BML, loss_BML.view_as(mask_BML), 0.0)
        return (loss_BML.sum((0, 2)) / mask_BML.sum((0, 2)).clamp(min=1)).sum()

    def orthogonal(self, private: Tensor, shared: Tensor, mask: Tensor) -> Tensor:
        modalities = range(mask.shape[1])
        pairs = [(private[:, m], private[:, n], m, n) for m, n in combinations(modalities, 2)]
        pairs += [(shared[:, m], private[:, m], m, m) for m in modalities]
        if self.config.orthogonality == "gram":
            return torch.stack([gram_norm(a, b) for a, b, _, _ in pairs]).sum()
        return torch.stack(
            [difference(a, b, mask[:, m] & mask[:, n]) for a, b, m, n in pairs]
        ).sum()

    def common_labels(self, batch: Batch, out: Output) -> Tensor:
        common_BLD, mask_BL = out.aux["common"], out.aux["common_mask"]
        pooled_BD = (
            common_BLD[:, 0] if self.config.pool == "first" else masked_mean(common_BLD, mask_BL)
        )
        logits_BC = self.classifier(self.dropout(pooled_BD))
        return torch.stack(
            list(task_loss(logits_BC, batch.target, batch.known, self.space).values())
        ).sum()
