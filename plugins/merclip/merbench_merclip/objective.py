"""``label-contrast``: each modality by itself shall lie near the label that is true of it."""

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
    Tune,
    soft_targets,
)


def label_shares(target: Tensor, known: Tensor | None, space: LabelSpace) -> Tensor:
    """[B, C]: how a row's target is shared out among the labels of one task; sums to 1, or to 0
    where no known label is positive.

    score: the two neighbouring anchors. class: the one label. multilabel: equal parts for the
    positive labels.
    """
    if space.kind == "multilabel":
        positive_BC = target if known is None else torch.where(known, target, 0.0)
        return positive_BC / positive_BC.sum(1, keepdim=True).clamp(min=1)
    if space.kind == "score":
        share_BC = soft_targets(
            target, torch.tensor(space.anchors, dtype=target.dtype, device=target.device)
        )
    else:
        share_BC = F.one_hot(target, len(space.words)).float()
    return share_BC if known is None else torch.where(known[:, None], share_BC, 0.0)


def contrast(
    present_BM: Tensor, near_BMC: Tensor, target: Tensor, known: Tensor | None, space: LabelSpace
) -> Tensor:
    """The loss of one task from similarities over temperature; 0 where nothing counts."""
    if known is not None and space.kind == "multilabel":
        near_BMC = near_BMC.masked_fill(~known[:, None], torch.finfo(near_BMC.dtype).min)
    share_BC = label_shares(target, known, space)
    counts_BM = present_BM & (share_BC.sum(1, keepdim=True) > 0)
    loss_BM = -(share_BC[:, None] * near_BMC.log_softmax(-1)).sum(-1)
    return torch.where(counts_BM, loss_BM, 0.0).sum() / counts_BM.sum().clamp(min=1)


class LabelContrast(nn.Module):
    """InfoNCE (van den Oord et al. 2018, 1807.03748) of each modality's mean vector against the
    label vectors (reconstruction item 13).

    loss = - mean over present modalities of sum_c share_c * log softmax_c(cos(v_m, E_c) /
    temperature), with the labels that are not true as negatives. Labels that are not known are
    neither; a row without a positive label adds nothing. Of two tasks at once: the sum of both,
    each among its own labels.
    """

    class Config(Config):
        weight: Annotated[float, Field(gt=0), Tune(0.01, 1.0, log=True)] = 0.1
        temperature: Annotated[float, Field(gt=0), Tune(0.02, 0.5, log=True)] = 0.07

    def __init__(self, config: Config, context: Context, model: Model) -> None:
        super().__init__()
        self.space, self.weight, self.temperature = context.space, config.weight, config.temperature

    def forward(
        self, model: Model, batch: Batch, out: Output, at: Progress
    ) -> Mapping[str, Tensor]:
        vectors_BMD = F.normalize(out.aux["modality_vectors"], dim=-1)
        near_BMC = vectors_BMD @ F.normalize(out.aux["label_vectors"], dim=-1).T / self.temperature
        by_task = zip(
            self.space.split_logits(near_BMC),
            *map(self.space.split_targets, (batch.target, batch.known)),
            self.space.tasks,
            strict=True,
        )
        return {
            "label_contrast": self.weight
            * torch.stack([contrast(out.aux["modality_present"], *task) for task in by_task]).sum()
        }
