"""Floor ``svr``: support vector regression with a Gaussian kernel on pooled inputs."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any, NamedTuple

import torch
from pydantic import Field
from torch import Tensor

from merbench.api import Batch, Config, Output, RequestError, SplitView
from merbench_baselines.floors.floor import choose, goals, logits_of
from merbench_baselines.floors.pooled import PooledFloor, Standardised


class SvrFit(NamedTuple):
    """``weight_P`` of the standardised columns; ``dual_NC`` and ``bias_C`` of one regression a
    column of targets; ``scale`` as in ``logits_of``; loss on valid.
    """

    loss: float
    scale: float
    weight_P: Tensor
    dual_NC: Tensor
    bias_C: Tensor


class Svr(PooledFloor):
    """epsilon-SVR (Drucker et al. 1997) on the columns of ``ridge``, by scikit-learn's libsvm; the
    kernel is exp(-|x - x'|^2 / P), P = the columns that vary.

    Validation chooses C, and a weight for the columns of each modality but the first. Labels are
    0/1, one regression a label, as in ``ridge``; unobserved cells are left out. The kernel of all
    train rows is held in memory: 13 MB for MOSI's 1,284, 2.1 GB for MOSEI's 16,274.
    """

    class Config(Config):
        penalties: Annotated[tuple[Annotated[float, Field(gt=0)], ...], Field(min_length=1)] = (
            0.1,
            0.3,
            1.0,
            3.0,
            10.0,
        )
        """C, of which validation chooses."""
        epsilon: Annotated[float, Field(ge=0)] = 0.1
        """Errors up to this size cost nothing."""
        weigh_modalities: bool = True
        """Weigh the columns of each modality but the first, from 0 to 3, as validation chooses."""

    learned = (
        "mean_P",
        "factor_P",
        "support_VP",
        "dual_VC",
        "bias_C",
        "scale",
    )

    @torch.no_grad()
    def fit(self, train: SplitView, valid: SplitView) -> None:
        columns = self.standardised(train, valid)
        fit = partial(self._weighted, columns)
        if self.config.weigh_modalities:
            best = self.best_weighted(fit, columns.x_NP.device)
        else:
            best = fit(torch.ones_like(columns.mean_P))
        supports_N = best.dual_NC.any(1)
        self.keep(
            mean_P=columns.mean_P,
            factor_P=best.weight_P / columns.deviation_P,
            support_VP=columns.x_NP[supports_N] * best.weight_P,
            dual_VC=best.dual_NC[supports_N],
            bias_C=best.bias_C,
            scale=torch.tensor(best.scale),
        )

    def _weighted(self, columns: Standardised, weight_P: Tensor) -> SvrFit:
        varying = columns.deviation_P.isfinite() & (weight_P > 0)
        weight_P = weight_P / max(1, int(varying.sum())) ** 0.5
        x_NP, v_NP = columns.x_NP * weight_P, columns.v_NP * weight_P
        kernel_NN, valid_kernel_MN = _kernel(x_NP, x_NP), _kernel(v_NP, x_NP)
        fits = [self._regressions(kernel_NN, columns.train, c) for c in self.config.penalties]
        values_AMC = torch.stack([valid_kernel_MN @ dual_NC + bias_C for dual_NC, bias_C in fits])
        chosen = choose(values_AMC, columns.valid, self.space)
        return SvrFit(chosen.loss, chosen.scale, weight_P, *fits[chosen.which])

    def _regressions(self, kernel_NN: Tensor, rows: Batch, penalty: float) -> tuple[Tensor, Tensor]:
        """``dual_NC, bias_C``."""
        y_NC = goals(rows, self.space)
        known_NC = torch.ones_like(y_NC, dtype=torch.bool)
        if rows.known is not None:
            known_NC = rows.known.reshape(y_NC.shape)
        dual_NC, bias_C = torch.zeros_like(y_NC), torch.zeros_like(y_NC[0])
        for column in range(y_NC.shape[1]):
            known = known_NC[:, column].nonzero()[:, 0]
            kernel = kernel_NN if len(known) == len(kernel_NN) else kernel_NN[known][:, known]
            machine = _libsvm()(kernel="precomputed", C=penalty, epsilon=self.config.epsilon)
            machine.fit(kernel.cpu().numpy(), y_NC[known, column].cpu().numpy())
            support = known[torch.from_numpy(machine.support_).long().to(known.device)]
            dual_NC[support, column] = torch.from_numpy(machine.dual_coef_[0]).to(y_NC)
            bias_C[column] = float(machine.intercept_[0])
        return dual_NC, bias_C

    def forward(self, batch: Batch) -> Output:
        x_BP = (self.inputs(batch) - self.mean_P) * self.factor_P
        values_BC = _kernel(x_BP, self.support_VP) @ self.dual_VC + self.bias_C
        return Output(logits_of(values_BC, self.scale, self.space))


def _kernel(a_NP: Tensor, b_MP: Tensor) -> Tensor:
    """[N, M]: exp(-|a - b|^2)."""
    k_NM = a_NP @ b_MP.T
    k_NM.mul_(2).sub_(a_NP.square().sum(1)[:, None]).sub_(b_MP.square().sum(1))
    return k_NM.clamp_(max=0).exp_()


def _libsvm() -> Any:
    try:
        from sklearn.svm import SVR
    except ImportError as error:
        raise RequestError(
            f"svr needs scikit-learn, which cannot be imported ({error}); "
            "pip install 'merbench-baselines[svr]', or take the floor ridge"
        ) from None
    return SVR
