"""EMT-DLFR's dual-level feature restoration (Sun et al. 2023, arXiv 2208.07589): the incomplete
view is drawn to the complete one, and its hidden steps are restored.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from merbench.api import Batch, Config, Context, Model, Output, Progress, Tune
from merbench_baselines.incomplete.reconstruction import VIEW, Restored, of_task

Weight = Annotated[float, Field(ge=0), Tune(0.1, 10.0, log=True)]
EPSILON = 1e-5


class RowNorm(nn.Module):
    """Mean 0 and variance 1 over the rows of a batch: batch norm without memory, which what only
    training looks at does not need. A single row becomes zeros.
    """

    def forward(self, x_BD: Tensor) -> Tensor:
        centred_BD = x_BD - x_BD.mean(0)
        return centred_BD / (centred_BD.square().mean(0) + EPSILON).sqrt()


class Attraction(nn.Module):
    """-(cos(p', sg z) + cos(p, sg z')) / 2, z = projector, p = predictor of it, ' of the other view
    (SimSiam, Chen and He 2021, 2011.10566). Rows that lack the modality do not count.
    """

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.projector = nn.Sequential(nn.Linear(width, width), RowNorm())
        self.predictor = nn.Sequential(
            nn.Linear(width, hidden, bias=False), RowNorm(), nn.ReLU(), nn.Linear(hidden, width)
        )

    def forward(self, complete_BD: Tensor, incomplete_BD: Tensor, rows_B: Tensor) -> Tensor:
        if not rows_B.any():
            return complete_BD.new_zeros(())
        z, z_m = (self.projector(x_BD[rows_B]) for x_BD in (complete_BD, incomplete_BD))
        pairs = ((self.predictor(z_m), z), (self.predictor(z), z_m))
        similarities = [
            F.cosine_similarity(p_BD, z_BD.detach(), dim=1).mean() for p_BD, z_BD in pairs
        ]
        return -torch.stack(similarities).mean()


class DualLevelRestoration(nn.Module):
    """``view``: the task's own loss of the incomplete view. ``complete``: that of the complete one.
    ``attraction``: between both views' vectors and context. ``reconstruction``: of hidden steps.
    """

    class Config(Config):
        attraction: Weight = 1.0
        """Also the weight of the complete view's loss."""
        reconstruction: Weight = 1.0
        """Weight of the error of hidden steps, restored; 0 leaves it out."""
        hidden_context: Annotated[int, Field(ge=1)] = 128
        """Hidden units of the predictor of the context; those of a modality have a half of its
        vector's width.
        """

    def __init__(self, config: Config, context: Context, model: Model) -> None:
        super().__init__()
        self.config, self.context = config, context
        self.names = (*context.streams, "context")
        self.sizes = [model.widths[f"attracted.{name}"] for name in self.names]
        hidden = [max(1, size // 2) for size in self.sizes[:-1]] + [config.hidden_context]
        self.attract = nn.ModuleDict(
            {
                name: Attraction(size, h)
                for name, size, h in zip(self.names, self.sizes, hidden, strict=True)
                if config.attraction
            }
        )
        restored = context.streams if config.reconstruction else ()
        self.restored = Restored(dict.fromkeys(restored, config.reconstruction), model)

    def forward(
        self, model: Model, batch: Batch, out: Output, at: Progress
    ) -> Mapping[str, Tensor]:
        view_out = model.decode(batch.views[VIEW])  # type: ignore[attr-defined]
        terms = {"view": of_task(view_out, batch, self.context)}
        if self.attract:
            weight = self.config.attraction
            terms["complete"] = weight * of_task(out, batch, self.context)
            terms["attraction"] = weight * self._attraction(out, view_out)
        if self.restored.weights:
            terms["reconstruction"] = self.restored(out.steps, view_out)
        return terms

    def _attraction(self, out: Output, view_out: Output) -> Tensor:
        pairs = zip(
            self.names,
            out.aux["attracted"].split(self.sizes, 1),
            view_out.aux["attracted"].split(self.sizes, 1),
            strict=True,
        )
        present_BM = view_out.aux["present"]
        rows = dict(zip(self.names, present_BM.unbind(1), strict=False))
        rows["context"] = present_BM.any(1)
        return torch.stack([self.attract[name](x, y, rows[name]) for name, x, y in pairs]).sum()
