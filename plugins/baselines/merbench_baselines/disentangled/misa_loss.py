"""MISA's losses: shared vectors alike, private ones apart (Hazarika et al. 2020, 2005.03545)."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn

from merbench.api import Batch, Config, Context, Model, Output, Progress, Tune


def central_moments(x_ND: Tensor, count: int) -> list[Tensor]:
    """The mean [D] and the central moments of order 2 to ``count`` of rows."""
    mean_D = x_ND.mean(0)
    return [mean_D, *((x_ND - mean_D).pow(k).mean(0) for k in range(2, count + 1))]


def central_moment_discrepancy(x_ND: Tensor, y_ND: Tensor, count: int) -> Tensor:
    """CMD of two sets of rows in [0, 1]^D (Zellinger et al. 2017, 1702.08811; MISA, eq. 8): the
    distances of their means and central moments, added up.
    """
    pairs = zip(central_moments(x_ND, count), central_moments(y_ND, count), strict=True)
    return torch.stack([torch.linalg.vector_norm(a_D - b_D) for a_D, b_D in pairs]).sum()


def difference(x_ND: Tensor, y_ND: Tensor) -> Tensor:
    """Mean square of the entries of X^T Y, the rows centred and then of length 1 (MISA, eq. 9)."""
    x_ND, y_ND = (nn.functional.normalize(h - h.mean(0), dim=1, eps=1e-6) for h in (x_ND, y_ND))
    return (x_ND.T @ y_ND).square().mean()


class MISALoss(nn.Module):
    """``similarity``: mean CMD between the shared vectors of two modalities. ``difference``:
    between a modality's shared and private vectors and between the private vectors of two, added
    up. ``reconstruction``: mean squared error of the utterance vectors.

    Of a modality only the rows that have it count; of two, in ``difference``, those with both.
    """

    class Config(Config):
        similarity: Annotated[float, Field(ge=0), Tune(0.03, 3.0, log=True)] = 0.3
        """Weight of the discrepancy between two modalities' shared vectors."""
        difference: Annotated[float, Field(ge=0), Tune(0.01, 1.0, log=True)] = 0.1
        """Weight of what keeps private vectors apart from shared ones and from each other."""
        reconstruction: Annotated[float, Field(ge=0), Tune(0.1, 10.0, log=True)] = 1.0
        """Weight of the squared error of the reconstructed utterance vectors."""
        moments: Annotated[int, Field(ge=1)] = 5
        """Highest order of the moments that the discrepancy compares; 1 = the means alone."""

    def __init__(self, config: Config, context: Context, model: Model) -> None:
        super().__init__()
        self.config = config

    def forward(
        self, model: Model, batch: Batch, out: Output, at: Progress
    ) -> Mapping[str, Tensor]:
        aux, config = out.aux, self.config
        shared, private = (aux[name].unbind(1) for name in ("shared", "private"))
        present = aux["present"].unbind(1)
        zero = out.logits_BC.new_zeros(())

        similar, different = [], []
        for i in range(len(shared)):
            if present[i].any():
                different.append(difference(shared[i][present[i]], private[i][present[i]]))
        for i, j in combinations(range(len(shared)), 2):
            both_B = present[i] & present[j]
            if both_B.any():
                x_ND, y_ND = shared[i][present[i]], shared[j][present[j]]
                similar.append(central_moment_discrepancy(x_ND, y_ND, config.moments))
                different.append(difference(private[i][both_B], private[j][both_B]))
        error_BM = (aux["reconstructed"] - aux["utterances"]).square().mean(2)
        count = aux["present"].sum().clamp(min=1)
        reconstruction = torch.where(aux["present"], error_BM, 0.0).sum() / count
        return {
            "similarity": config.similarity * (torch.stack(similar).mean() if similar else zero),
            "difference": config.difference * sum(different, start=zero),
            "reconstruction": config.reconstruction * reconstruction,
        }
