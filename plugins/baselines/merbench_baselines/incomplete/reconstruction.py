"""What the methods for incomplete rows learn from: a view of each batch with steps hidden, whose
targets are known.
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
    Modality,
    Model,
    Output,
    Progress,
    Steps,
    Tune,
    task_loss,
)

VIEW = "incomplete"


def hidden_error(restored_BLD: Tensor, complete: Steps, visible_BL: Tensor) -> Tensor:
    """Mean SmoothL1 over the values of the steps that are real but not visible; 0 where there are
    none.
    """
    hidden_BL1 = (complete.mask_BL & ~visible_BL)[..., None]
    # A stream that is trained along would otherwise become easy to restore: constant.
    target_BLD = torch.where(hidden_BL1, complete.x_BLD.detach(), 0.0)
    error_BLD = F.smooth_l1_loss(restored_BLD, target_BLD, reduction="none")
    total = torch.where(hidden_BL1, error_BLD, 0.0).sum()
    return total / (hidden_BL1.sum() * restored_BLD.shape[2]).clamp(min=1)


class Restored(nn.Module):
    """A linear layer a modality, from what the fusion made of each step (``aux["restored.M"]``) to
    what the step held; the errors on hidden steps, weighted and added.
    """

    def __init__(self, weights: Mapping[Modality, float], model: Model) -> None:
        super().__init__()
        self.weights = dict(weights)
        self.layers = nn.ModuleDict(
            {m: nn.Linear(model.widths[f"restored.{m}"], model.widths[m]) for m in weights}
        )

    def forward(self, complete: Mapping[Modality, Steps], out: Output) -> Tensor:
        total = out.logits_BC.new_zeros(())
        for m, weight in self.weights.items():
            restored_BLD = self.layers[m](out.aux[f"restored.{m}"])
            error = hidden_error(restored_BLD, complete[m], out.steps[m].mask_BL)
            total = total + weight * error
        return total


def of_task(out: Output, batch: Batch, context: Context) -> Tensor:
    """The task's own loss, added up."""
    terms = task_loss(out.logits_BC, batch.target, batch.known, context.space)
    return torch.stack(list(terms.values())).sum()


class Reconstruction(nn.Module):
    """``view``: the task's own loss of the incomplete view. ``reconstruction``: of its hidden
    steps, from epoch 2 on, SmoothL1 (TFR-Net).
    """

    class Config(Config):
        text: Annotated[float, Field(ge=0), Tune(0.1, 30.0, log=True, modality="text")] = 5.0
        """Weight of the reconstruction of text, times ``weight``; 0 leaves it out."""
        audio: Annotated[float, Field(ge=0), Tune(0.1, 30.0, log=True, modality="audio")] = 2.0
        """Weight of the reconstruction of audio, times ``weight``; 0 leaves it out."""
        video: Annotated[float, Field(ge=0), Tune(0.1, 30.0, log=True, modality="video")] = 20.0
        """Weight of the reconstruction of video, times ``weight``; 0 leaves it out."""
        weight: Annotated[float, Field(ge=0)] = 1.0
        """Of all of it."""

    def __init__(self, config: Config, context: Context, model: Model) -> None:
        super().__init__()
        self.context = context
        weights = {m: config.weight * getattr(config, m) for m in context.streams}
        self.restored = Restored({m: w for m, w in weights.items() if w}, model)

    def forward(
        self, model: Model, batch: Batch, out: Output, at: Progress
    ) -> Mapping[str, Tensor]:
        view_out = model.decode(batch.views[VIEW])  # type: ignore[attr-defined]
        terms = {"view": of_task(view_out, batch, self.context)}
        if at.epoch > 0 and self.restored.weights:
            terms["reconstruction"] = self.restored(out.steps, view_out)
        return terms
