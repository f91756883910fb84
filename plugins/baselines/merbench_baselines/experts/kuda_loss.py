"""KuDA's loss: every modality near what is fused (Feng et al. 2024, arXiv 2410.04491)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from pydantic import Field
from torch import Tensor, nn

from merbench.api import Batch, Config, Context, Model, Output, Progress, Tune
from merbench_baselines.information.mmim_loss import contrast


class Correlation(nn.Module):
    """``MODALITY``: the contrast of each modality's mean with z, over the rows that have it: a
    row's z is to be nearer to its own than to another row's.
    """

    class Config(Config):
        weight: Annotated[float, Field(ge=0), Tune(0.01, 1.0, log=True)] = 0.1

    def __init__(self, config: Config, context: Context, model: Model) -> None:
        super().__init__()
        self.weight = config.weight
        self.modalities = tuple(context.streams)

    def forward(
        self, model: Model, batch: Batch, out: Output, at: Progress
    ) -> Mapping[str, Tensor]:
        assert out.fused is not None
        z_BD, terms = out.fused.z_BCD[:, 0], {}
        columns = zip(out.aux["means"].unbind(1), out.aux["scored"].unbind(1), strict=True)
        for m, (mean_BD, rows) in zip(self.modalities, columns, strict=True):
            term = contrast(mean_BD[rows], z_BD[rows]) if rows.any() else z_BD.sum() * 0
            terms[m] = self.weight * term
        return terms
