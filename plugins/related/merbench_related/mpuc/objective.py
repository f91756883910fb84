"""``modality-contrast``: the modalities of one clip resemble each other, without a label (MPUC,
Franceschini et al. 2022, arXiv 2207.11482, section 3.2).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from itertools import product
from typing import Annotated

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from merbench.api import Batch, Config, Context, Model, Output, Progress, Tune, masked_mean
from merbench_related.views import View


def pair_loss(
    u_VBD: Tensor, v_VBD: Tensor, present_B: Tensor, temperature: float, same_view: bool
) -> Tensor:
    """Of an ordered pair of modalities, two views each: mean over present clips i and views a of
    -log softmax over (j, b) of u_ai . v_bj / temperature, at the clip's other view (i, b != a).

    ``same_view`` False: the similarity of a clip to itself in the same view, the diagonal of the 2B
    x 2B matrix, is left out, as published; True: it is a second positive. Vectors are unit. 0 where
    fewer than two clips are present.
    """
    size = u_VBD.shape[1]
    near_NN = u_VBD.flatten(0, 1) @ v_VBD.flatten(0, 1).T / temperature
    own_NN = torch.eye(2 * size, dtype=torch.bool, device=near_NN.device)
    other_NN = own_NN.roll(size, 1)
    present_N = present_B.repeat(2)
    left_out_NN = ~present_N[None] if same_view else own_NN | ~present_N[None]
    log_p_NN = near_NN.masked_fill(left_out_NN, torch.finfo(near_NN.dtype).min).log_softmax(1)
    positive_NN = own_NN | other_NN if same_view else other_NN
    loss_N = -torch.where(positive_NN, log_p_NN, 0.0).sum(1) / positive_NN.sum(1)
    if present_B.sum() < 2:
        return (near_NN * 0.0).sum()
    return torch.where(present_N, loss_N, 0.0).sum() / present_N.sum()


class ModalityContrast(nn.Module):
    """weight * mean of ``pair_loss`` over the ordered pairs of different modalities.

    Two views of the inputs, random windows of ``crop`` of the steps, go through the encoders; a
    modality's vector is l2(W2 ReLU(W1 mean of its steps)). With one modality alone the pair is that
    modality with itself. It reads no target.
    """

    class Config(Config):
        weight: Annotated[float, Field(gt=0), Tune(0.01, 1.0, log=True)] = 1.0
        temperature: Annotated[float, Field(gt=0), Tune(0.02, 0.5, log=True)] = 0.07
        hidden: Annotated[int, Field(ge=1), Tune(choices=(128, 256, 512, 1024))] = 128
        """Of the projection (512 - 1,024 - 512 in the paper)."""
        width: Annotated[int, Field(ge=1), Tune(choices=(64, 128, 256, 512))] = 64
        """Of what is compared."""
        crop: Annotated[float, Field(gt=0, le=1), Tune(0.3, 1.0)] = 0.6
        """Share of the steps that each view shows; 1 = both show all."""
        within: bool = False
        """Each modality is also contrasted with itself."""
        same_view: bool = False
        """Two modalities at the same moment are positives too; the authors leave them out."""

    def __init__(self, config: Config, context: Context, model: Model) -> None:
        super().__init__()
        self.config = config
        self.view = View(crop=config.crop)
        self.project = nn.ModuleDict(
            {
                m: nn.Sequential(
                    nn.Linear(model.widths[m], config.hidden),
                    nn.ReLU(),
                    nn.Linear(config.hidden, config.width),
                )
                for m in context.streams
            }
        )

    def forward(
        self, model: Model, batch: Batch, out: Output, at: Progress
    ) -> Mapping[str, Tensor]:
        views = [model.encode(replace(batch, inputs=self.view(batch.inputs))) for _ in range(2)]
        vectors, present = {}, {}
        for m, project in self.project.items():
            mean_VBD = torch.stack([masked_mean(*parts[m]) for parts in views])
            vectors[m] = F.normalize(project(mean_VBD), dim=-1)
            present[m] = views[0][m].mask_BL.any(1) & views[1][m].mask_BL.any(1)
        config = self.config
        losses = [
            # A modality is its own positive in its own view by nature: never counted.
            pair_loss(
                vectors[m],
                vectors[n],
                present[m] & present[n],
                config.temperature,
                config.same_view and m != n,
            )
            for m, n in product(vectors, repeat=2)
            if m != n or config.within or len(vectors) == 1
        ]
        return {"pairs": config.weight * torch.stack(losses).mean()}
