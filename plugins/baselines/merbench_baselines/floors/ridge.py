"""Floor ``ridge``: linear least squares with a squared penalty on pooled inputs."""

from __future__ import annotations

from functools import partial
from typing import Annotated, NamedTuple

import torch
from torch import Tensor

from merbench.api import LATER, Batch, Output, SplitView
from merbench_baselines.floors.floor import Strengths, choose, goals, logits_of, ridge
from merbench_baselines.floors.pooled import PooledFloor, Standardised


class RidgeFit(NamedTuple):
    """``weight_PC`` of standardised columns; ``scale`` as in ``logits_of``; loss on valid."""

    loss: float
    weight_PC: Tensor
    scale: float


class Ridge(PooledFloor):
    """Minimises sum_n |y_n - b - W^T x_n|^2 + alpha |W|^2 in closed form on the train split;
    validation chooses alpha.

    x: masked mean, maximum and minimum of every modality and whether it is missing, standardised by
    the train rows. y: the score, or 0/1 a label (see ``goals``); then the scale that makes logits
    of it is chosen with alpha (see ``logits_of``).
    """

    class Config(Strengths):
        weigh_modalities: Annotated[bool, LATER] = False
        """Weigh the columns of each modality but the first, from 0 to 3, as validation chooses:
        one penalty for all lets many columns that say little drown a few that say much.
        """

    learned = ("mean_P", "weight_PC", "bias_C", "scale")

    @torch.no_grad()
    def fit(self, train: SplitView, valid: SplitView) -> None:
        columns = self.standardised(train, valid)
        y_NC = goals(columns.train, self.space)
        fit = partial(self._weighted, columns, y_NC)
        if self.config.weigh_modalities:
            best = self.best_weighted(fit, columns.x_NP.device)
        else:
            best = fit(torch.ones_like(columns.mean_P))
        self.keep(
            mean_P=columns.mean_P,
            weight_PC=best.weight_PC / columns.deviation_P[:, None],
            bias_C=y_NC.mean(0),
            scale=torch.tensor(best.scale),
        )

    def _weighted(self, columns: Standardised, y_NC: Tensor, weight_P: Tensor) -> RidgeFit:
        x_NP, v_NP = columns.x_NP * weight_P, columns.v_NP * weight_P
        bias_C = y_NC.mean(0)
        alphas = self.config.grid().to(x_NP.device)
        if x_NP.shape[1] <= len(x_NP):
            weight_APC = ridge(x_NP.T @ x_NP, x_NP.T @ (y_NC - bias_C), alphas)
        else:
            weight_APC = x_NP.T @ ridge(x_NP @ x_NP.T, y_NC - bias_C, alphas)
        chosen = choose(v_NP @ weight_APC + bias_C, columns.valid, self.space)
        weight_PC = weight_P[:, None] * weight_APC[chosen.which]
        return RidgeFit(chosen.loss, weight_PC, chosen.scale)

    def forward(self, batch: Batch) -> Output:
        p_BC = (self.inputs(batch) - self.mean_P) @ self.weight_PC + self.bias_C
        return Output(logits_of(p_BC, self.scale, self.space))
