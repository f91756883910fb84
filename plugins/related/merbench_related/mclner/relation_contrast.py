"""``relation-contrast``: relations between steps are those of the structure, agree between an
utterance and its modality-switched view, and are alike in utterances of one target (after mCL-NER's
relation contrast, 2308.09073; the formulas are ours).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from merbench.api import Batch, Config, Context, Model, Output, Progress, Tune
from merbench_related.mclner.contrast import supervised_contrast
from merbench_related.mclner.modality_switch import ModalitySwitch
from merbench_related.mclner.targets import RELATIONS, relation_targets, salient, same_target


def balanced_cross_entropy(logits_NR: Tensor, target_N: Tensor) -> Tensor:
    """Mean over the types that occur of the mean cross-entropy of their cells."""
    loss_N = F.cross_entropy(logits_NR, target_N, reduction="none")
    of_type_NR = F.one_hot(target_N, RELATIONS).to(loss_N.dtype)
    count_R = of_type_NR.sum(0)
    mean_R = (loss_N @ of_type_NR) / count_R.clamp(min=1)
    return mean_R.sum() / (count_R > 0).sum().clamp(min=1)


def agreement(a_NR: Tensor, b_NR: Tensor) -> Tensor:
    """Mean over cells of (KL(p_a, p_b) + KL(p_b, p_a)) / 2, in nats."""
    log_a, log_b = a_NR.log_softmax(-1), b_NR.log_softmax(-1)
    both_N = ((log_a.exp() - log_b.exp()) * (log_a - log_b)).sum(-1) / 2
    return both_N.sum() / max(len(both_N), 1)


class RelationContrast(nn.Module):
    """Terms ``types``, ``agree`` and ``contrast``, over the pairs that ``pair-relation`` makes.

    ``types``: class-balanced cross-entropy to the structural relation types; from epoch ``warmup``
    on steps that have most of the attention count as salient. ``agree``: symmetric KL of the
    relation types of the utterance and of its switched view. ``contrast``: supervised contrast of
    the mean relation vectors of each (row, type) of both views; positives are of one type and one
    target, of which all is known, or of one row.
    """

    class Config(Config):
        types: Annotated[float, Field(ge=0), Tune(0.01, 0.5, log=True)] = 0.05
        """Weight of the cross-entropy to the structural relation types; 0 leaves it out."""
        agree: Annotated[float, Field(ge=0), Tune(0.01, 0.5, log=True)] = 0.05
        """Weight of the agreement of both views' relation types; 0 leaves it out."""
        contrast: Annotated[float, Field(ge=0), Tune(0.01, 0.5, log=True)] = 0.05
        """Weight of the supervised contrast of relation vectors; 0 leaves it out."""
        temperature: Annotated[float, Field(gt=0), Tune(0.05, 0.5, log=True)] = 0.1
        switch_ratio: Annotated[float, Field(ge=0, lt=1), Tune(0.1, 0.6)] = 0.3
        """Share of each stream's steps that the switched view replaces by those of other
        modalities.
        """
        span: Annotated[int, Field(ge=1), Tune(1, 5)] = 3
        """Steps of each run that the switched view replaces."""
        window: Annotated[float, Field(ge=0, le=1)] = 0.1
        """Steps of two modalities within this share of the utterance are aligned."""
        warmup: Annotated[int, Field(ge=0)] = 2
        """Epochs before steps with most of the attention count as salient."""
        salient_share: Annotated[float, Field(gt=0, le=1)] = 0.3
        """Share of the attention that the salient steps have."""

    def __init__(self, config: Config, context: Context, model: Model) -> None:
        super().__init__()
        self.config, self.space = config, context.space
        widths = {m: model.widths[m] for m in context.streams}
        self.switch = ModalitySwitch(widths, config.switch_ratio, config.span)

    def forward(
        self, model: Model, batch: Batch, out: Output, at: Progress
    ) -> Mapping[str, Tensor]:
        config = self.config
        cells_BNN, target_BNN = out.aux["relation_cells"], self._targets(out, at)
        switched_aux = self._switched(model, out).aux
        own_NR = out.aux["relation_logits"][cells_BNN]
        other_NR = switched_aux["relation_logits"][cells_BNN]
        terms = {
            "types": config.types * balanced_cross_entropy(own_NR, target_BNN[cells_BNN]),
            "agree": config.agree * agreement(own_NR, other_NR),
            "contrast": config.contrast * self._contrast(batch, out, switched_aux, target_BNN),
        }
        return {name: term for name, term in terms.items() if getattr(config, name)}

    def _targets(self, out: Output, at: Progress) -> Tensor:
        salient_BN = None
        if at.epoch >= self.config.warmup:
            salient_BN = salient(out.aux["step_mass"].detach(), self.config.salient_share)
        return relation_targets(
            out.aux["step_stream"],
            out.aux["step_index"],
            out.aux["step_time"],
            out.aux["relation_cells"],
            self.config.window,
            salient_BN,
        )

    def _switched(self, model: Model, out: Output) -> Output:
        """The model's output for the switched view: same steps, same pairs."""
        parts, _ = self.switch(out.steps)
        return model.decode(parts)

    def _contrast(
        self, batch: Batch, out: Output, switched_aux: Mapping[str, Tensor], target_BNN: Tensor
    ) -> Tensor:
        cells_BNN = out.aux["relation_cells"]
        of_type_BNNR = F.one_hot(target_BNN, RELATIONS) * cells_BNN[..., None]
        count_BR = of_type_BNNR.sum((1, 2))
        means = [
            torch.einsum("bijr,bije->bre", of_type_BNNR.to(r_BNNE.dtype), r_BNNE)
            / count_BR.clamp(min=1)[..., None]
            for r_BNNE in (out.aux["relation_vectors"], switched_aux["relation_vectors"])
        ]
        has_N = (count_BR > 0).flatten().repeat(2)
        x_ND = F.normalize(torch.cat([mean_BRE.flatten(0, 1) for mean_BRE in means]), dim=-1)[has_N]
        rows_N = torch.arange(len(batch), device=x_ND.device).repeat_interleave(RELATIONS).repeat(2)
        types_N = torch.arange(RELATIONS, device=x_ND.device).repeat(2 * len(batch))
        rows_N, types_N = rows_N[has_N], types_N[has_N]
        same_BB = same_target(batch, self.space, if_unknown=False)
        positive_NN = same_BB[rows_N][:, rows_N] & (types_N[:, None] == types_N[None])
        return supervised_contrast(x_ND, positive_NN, self.config.temperature)
