"""Floor ``ridge``: linear least squares with a squared penalty on pooled inputs."""

from __future__ import annotations

import torch
from torch import Tensor

from merbench.api import Batch, Output, SplitView, masked_max, masked_mean
from merbench_baselines.floors.floor import Floor, Strengths, choose, goals, logits_of, ridge, whole


class Ridge(Floor):
    """Minimises sum_n |y_n - b - W^T x_n|^2 + alpha |W|^2 in closed form on the train split;
    validation chooses alpha.

    x: masked mean, maximum and minimum of every modality and whether it is missing, standardised by
    the train rows. y: the score, or 0/1 a label (see ``goals``); then the scale that makes logits
    of it is chosen with alpha (see ``logits_of``).
    """

    class Config(Strengths):
        pass

    learned = ("mean_P", "weight_PC", "bias_C", "scale")

    def inputs(self, batch: Batch) -> Tensor:
        """[B, P] float32."""
        columns = []
        for m, encoder in self.encoders.items():
            x_BLD, mask_BL = encoder(batch.inputs[m])
            missing_B1 = (~mask_BL.any(1, keepdim=True)).to(x_BLD.dtype)
            columns += [
                masked_mean(x_BLD, mask_BL),
                masked_max(x_BLD, mask_BL),
                -masked_max(-x_BLD, mask_BL),
                missing_B1,
            ]
        return torch.cat(columns, 1)

    @torch.no_grad()
    def fit(self, train: SplitView, valid: SplitView) -> None:
        x_NP, v_NP = (
            torch.cat([self.inputs(b) for b in view.batches()]).double() for view in (train, valid)
        )
        mean_P = x_NP.mean(0)
        deviation_P = x_NP.std(0, correction=0)
        deviation_P = torch.where(
            deviation_P > 1e-6 * mean_P.abs().clamp(min=1e-6), deviation_P, torch.inf
        )  # a constant says nothing
        x_NP, v_NP = (x_NP - mean_P) / deviation_P, (v_NP - mean_P) / deviation_P
        y_NC = goals(whole(train), self.space)
        bias_C = y_NC.mean(0)
        alphas = self.config.grid().to(x_NP.device)
        if x_NP.shape[1] <= len(x_NP):
            weight_APC = ridge(x_NP.T @ x_NP, x_NP.T @ (y_NC - bias_C), alphas)
        else:
            weight_APC = x_NP.T @ ridge(x_NP @ x_NP.T, y_NC - bias_C, alphas)
        best, scale = choose(v_NP @ weight_APC + bias_C, whole(valid), self.space)
        self.keep(
            mean_P=mean_P,
            weight_PC=weight_APC[best] / deviation_P[:, None],
            bias_C=bias_C,
            scale=torch.tensor(scale),
        )

    def forward(self, batch: Batch) -> Output:
        p_BC = (self.inputs(batch) - self.mean_P) @ self.weight_PC + self.bias_C
        return Output(logits_of(p_BC, self.scale, self.space))
