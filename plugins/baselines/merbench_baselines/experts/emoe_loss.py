"""EMOE's losses (Fang et al. 2025, CVPR): a task for every modality, a router that knows how well
each does, and the fused vector near those of the modalities.
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
    known_rows,
)

Weight = Annotated[float, Field(ge=0), Tune(0.01, 1.0, log=True)]
FLOOR = 0.1
"""Added to an error before its inverse is taken."""
TINY = 1e-9


def row_loss(logits_BC: Tensor, batch: Batch, space: LabelSpace, squared: bool) -> Tensor:
    """[B]: a row's absolute or squared error of a score, its cross-entropy of a class, or its mean
    over known labels.
    """
    if space.kind == "score":
        error_B = logits_BC[:, 0] - batch.target
        loss_B = error_B.square() if squared else error_B.abs()
        return loss_B if batch.known is None else torch.where(batch.known, loss_B, 0.0)
    if space.kind == "class":
        loss_B = F.cross_entropy(logits_BC, batch.target, reduction="none")
        return loss_B if batch.known is None else torch.where(batch.known, loss_B, 0.0)
    cells_BC = F.binary_cross_entropy_with_logits(logits_BC, batch.target, reduction="none")
    known_BC = torch.ones_like(cells_BC) if batch.known is None else batch.known.to(cells_BC.dtype)
    return (cells_BC * known_BC).sum(1) / known_BC.sum(1).clamp(min=1)


class RoutedExperts(nn.Module):
    """``branches``: the task of a linear layer on every modality, averaged. ``balance``: M sum w
    log w, which is least where all count alike. ``ability``: (w - a)^2, a proportional to 1 /
    (error + .1), an error a modality's own squared one. ``distillation``: the squared distance of
    the softmaxes of the fused vector and of sum_m w_m branch_m, which does not move. Of a modality
    the rows that have it count; of rows without a known target, in ``branches`` and ``ability``
    none does.
    """

    class Config(Config):
        branches: Weight = 1.0
        """Weight of the task's loss of every modality's branch."""
        balance: Weight = 0.1
        """Weight of the term that draws the routes towards equal shares."""
        ability: Weight = 0.01
        """Weight of the term that draws the routes towards the modalities of small error."""
        distillation: Weight = 0.1
        """Weight of the distance of the fused vector from the routed sum of the branches."""

    def __init__(self, config: Config, context: Context, model: Model) -> None:
        super().__init__()
        self.config, self.space = config, context.space
        if context.space.parts:
            raise RequestError(
                "objective routed-experts is for one task at a time; "
                "choose --task sentiment or --task emotions"
            )
        width, logits = model.widths["branch"], context.space.logit_count
        self.experts = nn.ModuleDict({m: nn.Linear(width, logits) for m in context.streams})

    def losses(self, batch: Batch, branches_BMD: Tensor, squared: bool) -> Tensor:
        """[B, M]."""
        pairs = zip(self.experts.values(), branches_BMD.unbind(1), strict=True)
        rows = [row_loss(expert(x_BD), batch, self.space, squared) for expert, x_BD in pairs]
        return torch.stack(rows, 1)

    def forward(
        self, model: Model, batch: Batch, out: Output, at: Progress
    ) -> Mapping[str, Tensor]:
        assert out.fused is not None
        config = self.config
        route_BM, present_BM = out.aux["routes"], out.aux["present"]
        branches_BMD = out.aux["branches"]
        known_B1 = known_rows(batch)[:, None]
        counts_BM = present_BM & known_B1
        own_BM = torch.where(counts_BM, self.losses(batch, branches_BMD, False), 0.0)
        balance_B = len(self.experts) * (route_BM * route_BM.clamp(min=TINY).log()).sum(1)
        taught_BD = (route_BM[..., None] * branches_BMD).sum(1).detach()
        near_BD = (out.fused.z_BCD[:, 0].softmax(1) - taught_BD.softmax(1)).square()
        gap_BM = torch.where(known_B1, route_BM - self.able(batch, out), 0.0)
        share_known = known_B1.float().mean().clamp(min=TINY)
        return {
            "branches": config.branches * own_BM.sum() / counts_BM.sum().clamp(min=1),
            "balance": config.balance * balance_B.mean(),
            "ability": config.ability * gap_BM.square().mean() / share_known,
            "distillation": config.distillation * near_BD.mean(),
        }

    @torch.no_grad()
    def able(self, batch: Batch, out: Output) -> Tensor:
        """[B, M]: how much each modality should count by its own error; 0 where it is missing."""
        error_BM = self.losses(batch, out.aux["branches"], True)
        inverse_BM = torch.where(out.aux["present"], 1 / (error_BM + FLOOR), 0.0)
        return inverse_BM / inverse_BM.sum(1, keepdim=True).clamp(min=TINY)
