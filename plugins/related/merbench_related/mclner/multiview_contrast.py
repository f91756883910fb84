"""``multiview-contrast``: an utterance, its modality-switched view and each of its modalities mean
the same (after mCL-NER's semantic contrast, 2308.09073; the formulas are ours).
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations
from typing import Annotated

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from merbench.api import (
    MODALITIES,
    Batch,
    Config,
    Context,
    Modality,
    Model,
    Output,
    Progress,
    Steps,
    Tune,
    masked_mean,
)
from merbench_related.mclner.contrast import info_nce
from merbench_related.mclner.modality_switch import ModalitySwitch
from merbench_related.mclner.targets import same_target


class MultiviewContrast(nn.Module):
    """weight * mean over pairs of views of InfoNCE (both directions, other rows as negatives).

    A view is l2(W2 ReLU(W1 mean of projected steps)): of all modalities, of all modalities after
    the switch, and of each modality alone where there are several. A row that lacks a view is left
    out of its pairs; a row with the same target, or what may be the same, is no negative.
    """

    class Config(Config):
        weight: Annotated[float, Field(ge=0), Tune(0.01, 1.0, log=True)] = 0.1
        temperature: Annotated[float, Field(gt=0), Tune(0.05, 0.5, log=True)] = 0.1
        width: Annotated[int, Field(ge=1)] = 64
        switch_ratio: Annotated[float, Field(ge=0, lt=1), Tune(0.1, 0.6)] = 0.3
        """Share of steps that are switched; 0 = the switched view is the utterance itself."""
        span: Annotated[int, Field(ge=1), Tune(1, 5)] = 3
        """Steps that are switched at once."""
        guard: bool = True
        """Rows with the same target are no negatives."""

    def __init__(self, config: Config, context: Context, model: Model) -> None:
        super().__init__()
        self.config, self.space = config, context.space
        widths = {m: model.widths[m] for m in context.streams}
        self.switch = ModalitySwitch(widths, config.switch_ratio, config.span)
        self.project = nn.ModuleDict({m: nn.Linear(w, config.width) for m, w in widths.items()})
        self.out = nn.Sequential(nn.ReLU(), nn.Linear(config.width, config.width))

    def forward(
        self, model: Model, batch: Batch, out: Output, at: Progress
    ) -> Mapping[str, Tensor]:
        same_BB = same_target(batch, self.space, if_unknown=True)
        if not self.config.guard:
            same_BB = torch.eye(len(batch), dtype=torch.bool, device=same_BB.device)
        parts = {m: out.steps[m] for m in MODALITIES if m in out.steps}
        switched, _ = self.switch(parts)
        views = [self._view(parts), self._view(switched)]
        if len(parts) > 1:
            views += [self._view({m: steps}) for m, steps in parts.items()]
        losses = [
            info_nce(u_BD, v_BD, has_u & has_v, same_BB, self.config.temperature)
            for (u_BD, has_u), (v_BD, has_v) in combinations(views, 2)
        ]
        return {"views": self.config.weight * torch.stack(losses).mean()}

    def _view(self, parts: Mapping[Modality, Steps]) -> tuple[Tensor, Tensor]:
        """``(unit vectors [B, width], present [B])``."""
        x_BLD = torch.cat([self.project[m](steps.x_BLD) for m, steps in parts.items()], 1)
        mask_BL = torch.cat([steps.mask_BL for steps in parts.values()], 1)
        return F.normalize(self.out(masked_mean(x_BLD, mask_BL)), dim=-1), mask_BL.any(1)
