"""``carat``: all terms of CARAT's loss (section 3.5 of the paper)."""

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
    Model,
    Output,
    Progress,
    RequestError,
    Tune,
    task_loss,
)
from merbench_related.carat.contrast import contrast
from merbench_related.label_cells import Cells, cells

Weight = Annotated[float, Field(ge=0), Tune(0.01, 2.0, log=True)]


def shuffled(
    slots_BMCD: Tensor, share_BC: Tensor, known_BC: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Slots [B, M, C, D] with, for each label and slot, the rows permuted, and then, for each label
    and row, the slots; shares and known [B, M, C] of what lies there now.
    """
    size, slots, labels, _ = slots_BMCD.shape
    row_BMC = torch.rand(size, slots, labels, device=slots_BMCD.device).argsort(0)
    slot_BMC = torch.rand(size, slots, labels, device=slots_BMCD.device).argsort(1)

    def permute(x_BMC: Tensor) -> Tensor:
        index = [
            i.view(*i.shape, *[1] * (x_BMC.ndim - 3)).expand_as(x_BMC) for i in (row_BMC, slot_BMC)
        ]
        return x_BMC.gather(0, index[0]).gather(1, index[1])

    of_slots = (x_BC[:, None].expand(-1, slots, -1) for x_BC in (share_BC, known_BC))
    return permute(slots_BMCD), *(permute(x_BMC) for x_BMC in of_slots)


class CaratLoss(nn.Module):
    """``attended``, ``first``, ``second``: the task's loss of the maxima of each level. ``slots``:
    of the aggregation of each slot. ``shuffled``: cross-entropy of each cell of shuffled slots.
    ``rebuilt``: MSE of R_m and of m' to U_m, over what a row has. ``contrast``: supervised
    contrast of the latents of U, m' and m'', in which a class is a label, present or absent, in a
    modality.

    After each batch its latents enter the queue, and the fusion's prototypes follow those of U.
    """

    class Config(Config):
        attended: Weight = 0.01
        """Weight of the task's loss of the attended vectors."""
        first: Weight = 0.1
        """Weight of the task's loss of the first level of rebuilding."""
        second: Weight = 1.0
        """Weight of the task's loss of the second level of rebuilding."""
        slots: Weight = 1.0
        """Weight of the task's loss of what each slot alone predicts."""
        shuffled: Weight = 0.1
        """Weight of the cross-entropy of slots shuffled among rows and modalities; 0 leaves it out.
        """
        rebuilt: Weight = 1.0
        """Weight of the squared error of what is rebuilt."""
        contrast: Weight = 1.0
        """Weight of the supervised contrast of latents; 0 leaves it out."""
        queue: Annotated[int, Field(ge=0)] = 1024
        """Latents of earlier batches to contrast with; 8,192 as published for MOSEI, 0 = none."""
        temperature: Annotated[float, Field(gt=0), Tune(0.02, 0.5, log=True)] = 0.07
        anchors: Literal["batch", "all"] = "batch"
        """``all``: the queue's latents, too, are contrasted, as in the authors' code, which teaches
        the batch little more and costs several times as much.
        """
        detach_target: bool = True
        """U passes no gradient as what is to be rebuilt, or it could shrink to lower the loss."""
        soft_weight: Annotated[float, Field(ge=0)] = 1.0
        """Of a score, the cross-entropy to its anchors, beside the absolute error."""

    queue_QD: Tensor
    id_Q: Tensor

    def __init__(self, config: Config, context: Context, model: Model) -> None:
        super().__init__()
        self.config, self.space = config, context.space
        self.classes = 2 * len(context.streams) * len(context.space.words)
        prototypes = getattr(getattr(model, "fusion", None), "prototypes", None)
        if prototypes is None:
            raise RequestError(
                "the objective carat keeps the prototypes of the fusion carat; "
                "choose both, or neither"
            )
        width = prototypes.mu_MC2D.shape[-1]
        self.register_buffer("queue_QD", torch.zeros(config.queue, width))
        # -1: this place holds nothing yet.
        self.register_buffer("id_Q", torch.full((config.queue,), -1))

    def forward(
        self, model: Model, batch: Batch, out: Output, at: Progress
    ) -> Mapping[str, Tensor]:
        weight, level_B3C = self.config, out.aux["level_logits"]
        truth = cells(batch.target, batch.known, self.space)
        terms = {
            "attended": weight.attended * self.task(level_B3C[:, 0], batch),
            "first": weight.first * self.task(level_B3C[:, 1], batch),
            "second": weight.second * self.task(level_B3C[:, 2], batch),
            "rebuilt": weight.rebuilt * self.rebuilt(out),
        }
        if out.aux["slot_logits"].shape[1]:
            slots = out.aux["slot_logits"].unbind(1)
            terms["slots"] = weight.slots * torch.stack([self.task(s, batch) for s in slots]).mean()
            if weight.shuffled:
                terms["shuffled"] = weight.shuffled * self.shuffled(model, out, truth)
        if weight.contrast:
            terms["contrast"] = weight.contrast * self.contrast(out, truth)
        return terms

    def task(self, logits_BC: Tensor, batch: Batch) -> Tensor:
        terms = task_loss(logits_BC, batch.target, batch.known, self.space, self.config.soft_weight)
        return torch.stack(list(terms.values())).sum()

    def rebuilt(self, out: Output) -> Tensor:
        """Sum over modalities of MSE(R_m, U_m) + MSE(m', U_m)."""
        target, present_BM = out.aux["attended"], out.aux["present"]
        target = target.detach() if self.config.detach_target else target
        error_BM = sum(
            (out.aux[name] - target).square().mean((2, 3)) for name in ("rebuilt", "first_level")
        )
        counted = torch.where(present_BM, error_BM, 0.0).sum(0) / present_BM.sum(0).clamp(min=1)
        return counted.sum()

    def shuffled(self, model: Model, out: Output, truth: Cells) -> Tensor:
        """One label by itself, also of a score or a class: after the shuffle the labels of a row
        are no longer those of one utterance.
        """
        slots_BMCD, share_BMC, known_BMC = shuffled(
            out.fused.slots_BMCD, truth.share_BC, truth.known_BC
        )
        loss_BMC = F.binary_cross_entropy_with_logits(
            model.head.agg(slots_BMCD), share_BMC, reduction="none"
        )
        return torch.where(known_BMC, loss_BMC, 0.0).sum() / known_BMC.sum().clamp(min=1)

    def latents(self, out: Output, truth: Cells) -> tuple[Tensor, Tensor]:
        """Normalised latents [N, Dz] of what a row has and knows, and their classes [N]."""
        z_B3MCD = F.normalize(out.aux["latents"], dim=-1)
        _, levels, modalities, labels, _ = z_B3MCD.shape
        m_M1 = torch.arange(modalities, device=z_B3MCD.device)[:, None]
        c_C = torch.arange(labels, device=z_B3MCD.device)
        id_BMC = c_C + labels * (2 * m_M1 + (~truth.positive_BC[:, None]).long())
        counts_BMC = truth.known_BC[:, None] & out.aux["present"][..., None]
        id_B3MC, counts_B3MC = (x[:, None].expand(-1, levels, -1, -1) for x in (id_BMC, counts_BMC))
        return z_B3MCD[counts_B3MC], id_B3MC[counts_B3MC]

    def contrast(self, out: Output, truth: Cells) -> Tensor:
        z_ND, id_N = self.latents(out, truth)
        filled_Q = self.id_Q >= 0
        key_KD = torch.cat([z_ND, self.queue_QD[filled_Q]])
        id_K = torch.cat([id_N, self.id_Q[filled_Q]])
        anchors = len(key_KD) if self.config.anchors == "all" else len(z_ND)
        return contrast(key_KD, id_K, anchors, self.config.temperature, self.classes)

    def after_batch(self, model: Model, batch: Batch, out: Output, at: Progress) -> None:
        truth = cells(batch.target, batch.known, self.space)
        known_BMC = truth.known_BC[:, None] & out.aux["present"][..., None]
        model.fusion.prototypes.update(out.aux["latents"][:, 0], truth.positive_BC, known_BMC)
        if self.config.queue and self.config.contrast:
            z_ND, id_N = self.latents(out, truth)
            self.queue_QD.copy_(torch.cat([self.queue_QD, z_ND])[-self.config.queue :])
            self.id_Q.copy_(torch.cat([self.id_Q, id_N])[-self.config.queue :])
