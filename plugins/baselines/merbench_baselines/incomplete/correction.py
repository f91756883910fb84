"""LNLN's losses (Zhang et al. 2024, arXiv 2409.20012): how complete the text is, whether what
stands for it can be distinguished from it, and every modality's tokens restored.
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
    Model,
    Output,
    Progress,
    RequestError,
    Tune,
    reverse_gradient,
)
from merbench_baselines.attention import PreNormLayer
from merbench_baselines.incomplete.lnln import TokenTransformer
from merbench_baselines.incomplete.reconstruction import VIEW
from merbench_baselines.objectives.squared_error import SquaredError

Weight = Annotated[float, Field(ge=0), Tune(0.05, 3.0, log=True)]


class Correction(nn.Module):
    """Of the incomplete view: ``view``: squared error of the task. ``completeness``: (w - c)^2, c
    the share of the text's steps that are visible. ``adversarial``: cross-entropy of a network that
    distinguishes the tokens standing for the text from those of the complete text; the tokens
    that audio and video propose are trained against it. ``reconstruction``: squared error of every
    modality's tokens, restored from those of the view, to those of the complete row.
    """

    class Config(Config):
        completeness: Weight = 0.9
        """Weight of the squared error of how complete the text is; 0 leaves it out."""
        adversarial: Weight = 0.8
        """Weight of the cross-entropy of the network that distinguishes; 0 leaves it out."""
        reconstruction: Weight = 0.1
        """Weight of the squared error of the restored tokens; 0 leaves it out."""
        layers: Annotated[int, Field(ge=1)] = 2
        heads: Annotated[int, Field(ge=1)] = 8
        ffn: Annotated[int, Field(ge=1)] = 128
        """Of the transformers that restore tokens."""
        hidden: Annotated[int, Field(ge=1)] = 64
        """Of the network that distinguishes."""

    def __init__(self, config: Config, context: Context, model: Model) -> None:
        super().__init__()
        self.config = config
        self.task = SquaredError(SquaredError.Config(), context, model)
        width, count = model.widths["token"], model.widths["tokens"]

        def restorer() -> nn.Module:
            layers = (
                PreNormLayer(width, config.heads, config.ffn, 0.0) for _ in range(config.layers)
            )
            return TokenTransformer(nn.ModuleList(layers), width, count)

        if config.reconstruction:
            if width % config.heads:
                raise RequestError(
                    f"objective.correction.heads={config.heads} cannot share the fusion's width "
                    f"{width}; choose a number that divides it"
                )
            self.restore = nn.ModuleList(restorer() for _ in context.streams)
        if config.adversarial:
            self.distinguish = nn.Sequential(
                nn.Linear(width, config.hidden), nn.LeakyReLU(0.1), nn.Linear(config.hidden, 2)
            )

    def forward(
        self, model: Model, batch: Batch, out: Output, at: Progress
    ) -> Mapping[str, Tensor]:
        view, config = batch.views[VIEW], self.config
        view_out = model.decode(view)  # type: ignore[attr-defined]
        terms = {"view": torch.stack(list(self.task(model, batch, view_out, at).values())).sum()}
        if config.completeness:
            visible_B = view["text"].mask_BL.sum(1) / out.steps["text"].mask_BL.sum(1).clamp(min=1)
            error_B = (view_out.aux["completeness"][:, 0] - visible_B).square()
            terms["completeness"] = config.completeness * error_B.mean()
        if config.adversarial:
            terms["adversarial"] = config.adversarial * self._adversarial(out, view_out)
        if config.reconstruction:
            terms["reconstruction"] = config.reconstruction * self._reconstruction(out, view_out)
        return terms

    def _adversarial(self, out: Output, view_out: Output) -> Tensor:
        share_B11 = view_out.aux["completeness"][..., None]
        proposed_BKD = reverse_gradient(view_out.aux["proxy"])
        stands_BKD = share_B11 * view_out.aux["tokens"][:, 0] + (1 - share_B11) * proposed_BKD
        logits = self.distinguish(torch.cat((stands_BKD, out.aux["tokens"][:, 0])).flatten(0, 1))
        half = len(logits) // 2
        stands_N = (torch.arange(len(logits), device=logits.device) < half).long()
        return F.cross_entropy(logits, stands_N)

    def _reconstruction(self, out: Output, view_out: Output) -> Tensor:
        present_BM = out.aux["present"]
        errors = []
        every_BK = torch.ones_like(view_out.aux["tokens"][:, 0, :, 0], dtype=torch.bool)
        for at, restore in enumerate(self.restore):
            restored_BKD = restore(view_out.aux["tokens"][:, at], every_BK)
            errors.append((restored_BKD - out.aux["tokens"][:, at]).square().mean((1, 2)))
        total = torch.where(present_BM, torch.stack(errors, 1), 0.0).sum()
        return total / present_BM.sum().clamp(min=1)
