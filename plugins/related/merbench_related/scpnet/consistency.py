"""``prior-ssl``: what is predicted from a weak view, calibrated by like labels, teaches a strong
view (Ding et al. 2023, SCPNet, 2303.13223, section 3.3).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
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
    RequestError,
    Tune,
    known_rows,
    soft_targets,
)
from merbench_related.views import View

WEAK = View(noise=0.01, drop=0.05)
STRONG = View(warp=0.1, noise=0.01, mask=0.3, channels=0.2, modality=0.2)


def thresholds(selected_NC: Tensor, per_row: int, cutoff: float) -> Tensor:
    """theta [C] = cutoff * a / (2 - a): lower for labels that are seldom learned (FlexMatch).

    a_c = max(n_c / max(max n, per_row * N - sum n), 1 / C), n_c how many of the N rows were last
    predicted c beyond ``cutoff``.
    """
    n_C = selected_NC.sum(0).float()
    not_selected = per_row * len(selected_NC) - n_C.sum()
    a_C = n_C / torch.maximum(n_C.max(), not_selected).clamp(min=1.0)
    a_C = a_C.clamp(min=1 / len(n_C))
    return cutoff * a_C / (2 - a_C)


def soft_bce(log_odds_BC: Tensor, target_BC: Tensor, counted_BC: Tensor) -> Tensor:
    """[B]: sum over counted labels of the cross-entropy to a soft target."""
    cells = F.binary_cross_entropy_with_logits(log_odds_BC, target_BC, reduction="none")
    return torch.where(counted_BC, cells, 0.0).sum(1)


class PriorSSL(nn.Module):
    """Terms ``consistency`` and ``distillation``, by the label encoder's ``calibration`` R [C, C].

    p are the model's probabilities for a weak view, without gradient; s those for a strong view.

    Of labels: a row's ``top`` most probable labels become pseudo-positives where p >= theta_c
    (adaptive, see ``thresholds``), as do its known positives. ``negatives``: known ones and all
    that p < 1 - theta_c (``below``), or every label that is no positive (``all``, as published).
    Rows without a confident label count in neither term::

        consistency  = sum_c BCE(s_c, pseudo-label_c)      distillation = sum_c BCE(s_c, (R p)_c)

    Of a class, or of a score by its anchors: softmax in place of sigmoid, one confident label in
    place of ``top``, cross-entropy in place of BCE. RequestError for two tasks at once, and for a
    head that gives a score one logit.
    """

    class Config(Config):
        consistency: Annotated[float, Field(ge=0), Tune(0.01, 1.0, log=True)] = 0.125
        """Weight lambda_u of the pseudo-labels."""
        distillation: Annotated[float, Field(ge=0), Tune(0.01, 1.0, log=True)] = 0.125
        """Weight of what like labels say: lambda_u times 1 to 3 in the paper."""
        cutoff: Annotated[float, Field(gt=0.5, lt=1), Tune(0.7, 0.99)] = 0.95
        """Probability beyond which a label counts as learned, and the highest threshold of a
        pseudo-label; labels that are seldom learned have lower ones.
        """
        top: Annotated[int, Field(ge=0)] = 0
        """Pseudo-positives a row may have; 0 = the mean number of positives a row in train, + 1."""
        negatives: Literal["below", "all"] = "below"
        """Labels that are no positive and count as negative: ``below``, those known or less
        probable than 1 - threshold; ``all``, every one, as published.
        """

    selected_NC: Tensor

    def __init__(self, config: Config, context: Context, model: Model) -> None:
        super().__init__()
        self.config, self.space = config, context.space
        if self.space.kind == "joint":
            raise RequestError("prior-ssl is for one task at a time; choose one with --task")
        counts, labels = context.counts, len(self.space.words)
        share_C = counts.positive_C / counts.known_C.clip(min=1)
        self.several = self.space.kind == "multilabel"
        usual = math.ceil(float(share_C.sum())) + 1 if self.several else 1
        self.top = min(config.top or usual, labels)
        selected = torch.zeros(context.n_train, labels, dtype=torch.bool)
        self.register_buffer("selected_NC", selected)

    def forward(
        self, model: Model, batch: Batch, out: Output, at: Progress
    ) -> Mapping[str, Tensor]:
        if out.logits_BC.shape[1] != len(self.space.words):
            raise RequestError(
                "prior-ssl reads a probability a label word, "
                "and this head gives a score one number; "
                "choose a head that reads label words, such as --part head=cosine-label"
            )
        with torch.no_grad():
            weak = self._logits(model, batch, WEAK)
        strong_BC = self._logits(model, batch, STRONG)
        assert out.queries is not None
        calibration_CC = out.queries.extras["calibration"]
        p_BC = weak.sigmoid() if self.several else weak.softmax(-1)
        theta_C = thresholds(self.selected_NC, self.top, self.config.cutoff)
        terms = self._labels if self.several else self._classes
        losses, confident_BC = terms(p_BC, strong_BC, batch, theta_C, p_BC @ calibration_CC.T)
        self._last = (batch.ids_B, confident_BC)
        weights = {
            "consistency": self.config.consistency,
            "distillation": self.config.distillation,
        }
        return {name: weight * losses[name] for name, weight in weights.items() if weight}

    def after_batch(self, model: Model, batch: Batch, out: Output, at: Progress) -> None:
        """Remember which labels were predicted beyond the cutoff."""
        ids_B, confident_BC = self._last
        self.selected_NC[ids_B] = confident_BC

    def _logits(self, model: Model, batch: Batch, view: View) -> Tensor:
        return model(replace(batch, inputs=view(batch.inputs))).logits_BC

    def _labels(
        self, p_BC: Tensor, strong_BC: Tensor, batch: Batch, theta_C: Tensor, q_BC: Tensor
    ) -> tuple[dict[str, Tensor], Tensor]:
        top_BC = torch.zeros_like(p_BC, dtype=torch.bool)
        top_BC.scatter_(1, p_BC.topk(self.top, dim=1).indices, True)
        confident_BC = top_BC & (p_BC >= theta_C)
        known_BC = torch.ones_like(top_BC) if batch.known is None else batch.known
        positive_BC = torch.where(known_BC, batch.target > 0.5, confident_BC)
        counted_BC = positive_BC | known_BC | (p_BC < 1 - theta_C)
        if self.config.negatives == "all":
            counted_BC = torch.ones_like(counted_BC)
        row_B = confident_BC.any(1)
        everything_BC = torch.ones_like(counted_BC)
        losses_by_name = {
            "consistency": soft_bce(strong_BC, positive_BC.to(p_BC.dtype), counted_BC),
            "distillation": soft_bce(strong_BC, q_BC, everything_BC),
        }
        means = {
            name: torch.where(row_B, loss_B, 0.0).mean() for name, loss_B in losses_by_name.items()
        }
        return means, top_BC & (p_BC >= self.config.cutoff)

    def _classes(
        self, p_BC: Tensor, strong_BC: Tensor, batch: Batch, theta_C: Tensor, q_BC: Tensor
    ) -> tuple[dict[str, Tensor], Tensor]:
        best_B = p_BC.argmax(1)
        row_B = p_BC.amax(1) >= theta_C[best_B]
        pseudo_BC = F.one_hot(best_B, p_BC.shape[1]).to(p_BC.dtype)
        target_BC = torch.where(
            known_rows(batch)[:, None], truth(batch.target, self.space), pseudo_BC
        )
        q_BC = q_BC / q_BC.sum(1, keepdim=True)
        log_s_BC = strong_BC.log_softmax(-1)
        losses_by_name = {
            "consistency": -(target_BC * log_s_BC).sum(1),
            "distillation": (torch.xlogy(q_BC, q_BC) - q_BC * log_s_BC).sum(1),
        }
        means = {
            name: torch.where(row_B, loss_B, 0.0).mean() for name, loss_B in losses_by_name.items()
        }
        return means, pseudo_BC.bool() & (p_BC >= self.config.cutoff)


def truth(target_B: Tensor, space: LabelSpace) -> Tensor:
    """[B, C]: one-hot classes, or a score shared between its two neighbouring anchors."""
    if space.kind == "class":
        return F.one_hot(target_B, len(space.words)).float()
    anchors_C = torch.tensor(space.anchors, dtype=target_B.dtype, device=target_B.device)
    return soft_targets(target_B, anchors_C)
