"""DLF's losses: how well shared and private steps part, and a task for every branch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn

from merbench.api import Batch, Config, Context, Model, Output, Progress, Tune, task_loss

Weight = Annotated[float, Field(ge=0), Tune(1e-3, 1.0, log=True)]


def triplets(
    x_BMD: Tensor, present_BM: Tensor, same_BB: Tensor, other_BB: Tensor, margin: float
) -> Tensor:
    """Mean of max(0, margin - cos(x_i, x_j) + cos(x_i, x_k)) over all triples in which i and j are
    of the same kind and two modalities, i and k of another kind and one modality, as in DMD (Li et
    al. 2023, 2303.13802).
    """
    size, count, _ = x_BMD.shape
    rows = x_BMD.flatten(0, 1)
    modality_N = torch.arange(count, device=rows.device).repeat(size)
    there_N = present_BM.flatten()
    unit_ND = nn.functional.normalize(rows, dim=1)
    cosine_NN = unit_ND @ unit_ND.T
    both_NN = there_N[:, None] & there_N
    same_kind_NN, other_kind_NN = (
        of_rows_BB.repeat_interleave(count, 0).repeat_interleave(count, 1)
        for of_rows_BB in (same_BB, other_BB)
    )
    same_modality_NN = modality_N[:, None] == modality_N
    near_NN = both_NN & same_kind_NN & ~same_modality_NN
    far_NN = both_NN & other_kind_NN & same_modality_NN
    hinge_NNN = (margin - cosine_NN[:, :, None] + cosine_NN[:, None, :]).relu()
    counts_NNN = near_NN[:, :, None] & far_NN[:, None, :]
    return torch.where(counts_NNN, hinge_NNN, 0.0).sum() / counts_NNN.sum().clamp(min=1)


def same_and_other(batch: Batch) -> tuple[Tensor, Tensor]:
    """[B, B] each: rows that are surely of the same kind (class, set of labels, rounded score), and
    rows that surely are not. Where what is known decides neither, neither holds.
    """
    rounded_BC = batch.target.detach().float().round().reshape(len(batch), -1)
    equal_BBC = rounded_BC[:, None] == rounded_BC
    if batch.known is None:
        same_BB = equal_BBC.all(2)
        return same_BB, ~same_BB
    known_BC = batch.known.reshape(rounded_BC.shape)
    known_BBC = known_BC[:, None] & known_BC
    return (equal_BBC & known_BBC).all(2), (~equal_BBC & known_BBC).any(2)


class DLFLoss(nn.Module):
    """``reconstruction``, ``specific`` and ``orthogonality``: means over the rows that have a
    modality, added over modalities. ``triplet``: of the aligned shared vectors. ``branch``: the
    task's own loss of a linear layer on every branch, that of the text ``text_branch`` times.
    """

    class Config(Config):
        reconstruction: Weight = 0.1
        """Weight of the error of each modality's steps, decoded from their private and shared
        parts.
        """
        specific: Weight = 0.1
        """Weight of the error of the private parts of the decoded steps."""
        orthogonality: Weight = 0.01
        """Weight of the cosine, where positive, of private and shared parts."""
        triplet: Weight = 0.01
        """Weight of the triplet loss of the shared vectors."""
        margin: Annotated[float, Field(ge=0), Tune(0.05, 1.0, log=True)] = 0.2
        """By how much the cosine to a vector of the same target must exceed that to one of another.
        """
        branches: Annotated[float, Field(ge=0), Tune(0.1, 3.0, log=True)] = 1.0
        """Weight of the task's losses of all branches."""
        text_branch: Annotated[float, Field(ge=0), Tune(0.3, 10.0, log=True)] = 3.0
        """Factor on the loss of the text's branch, beside ``branches``."""

    def __init__(self, config: Config, context: Context, model: Model) -> None:
        super().__init__()
        self.config, self.space = config, context.space
        self.branch_widths = {
            name.removeprefix("branch."): width
            for name, width in model.widths.items()
            if name.startswith("branch.")
        }
        self.branches = nn.ModuleDict(
            {
                name.replace(".", "_"): nn.Linear(width, context.space.logit_count)
                for name, width in self.branch_widths.items()
            }
        )

    def of_branches(self, branches_BD: Tensor) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """Name -> its vector [B, D], and name -> its logits [B, C]."""
        parts = branches_BD.split(tuple(self.branch_widths.values()), 1)
        x = dict(zip(self.branch_widths, parts, strict=True))
        return x, {name: self.branches[name.replace(".", "_")](x[name]) for name in x}

    def branch_loss(self, batch: Batch, branches_BD: Tensor) -> Tensor:
        total = branches_BD.new_zeros(())
        for name, logits_BC in self.of_branches(branches_BD)[1].items():
            terms = task_loss(logits_BC, batch.target, batch.known, self.space)
            weight = self.config.text_branch if name == "text" else 1.0
            total = total + weight * torch.stack(list(terms.values())).sum()
        return total

    def forward(
        self, model: Model, batch: Batch, out: Output, at: Progress
    ) -> Mapping[str, Tensor]:
        config, present_BM = self.config, out.aux["present"]
        count_M = present_BM.sum(0).clamp(min=1)

        def added(name: str) -> Tensor:
            return (torch.where(present_BM, out.aux[name], 0.0).sum(0) / count_M).sum()

        same_BB, other_BB = same_and_other(batch)
        triplet = triplets(out.aux["aligned"], present_BM, same_BB, other_BB, config.margin)
        return {
            "reconstruction": config.reconstruction * added("reconstruction"),
            "specific": config.specific * added("specific"),
            "orthogonality": config.orthogonality * added("orthogonality"),
            "triplet": config.triplet * triplet,
            "branch": config.branches * self.branch_loss(batch, out.aux["branches"]),
        }
