"""MMIM's bounds of mutual information (Han et al. 2021, arXiv 2109.00412)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.func import functional_call

from merbench.api import (
    Batch,
    Config,
    Context,
    Model,
    Output,
    Progress,
    RequestError,
    Tune,
    known_rows,
)


class Likelihood(nn.Module):
    """log q(y | x), q a Gaussian whose mean and log variance are networks of x, per row and without
    its constant (eq. 3). The log variance lies in (-1, 1).
    """

    def __init__(self, width_x: int, width_y: int) -> None:
        super().__init__()

        def network() -> nn.Sequential:
            return nn.Sequential(
                nn.Linear(width_x, width_y), nn.ReLU(), nn.Linear(width_y, width_y)
            )

        self.mean, self.log_variance = network(), nn.Sequential(network(), nn.Tanh())

    def forward(self, x_BX: Tensor, y_BY: Tensor) -> Tensor:
        log_variance_BY = self.log_variance(x_BX)
        squared_BY = (self.mean(x_BX) - y_BY).square() / log_variance_BY.exp()
        return -0.5 * (squared_BY + log_variance_BY).sum(1)


def contrast(h_BD: Tensor, predicted_BD: Tensor) -> Tensor:
    """- mean_i log softmax_j(h_i . predicted_j) at j = i, of unit vectors (eq. 9 and 10)."""
    h_BD, predicted_BD = (nn.functional.normalize(x, dim=1) for x in (h_BD, predicted_BD))
    return -(h_BD @ predicted_BD.T).log_softmax(1).diagonal().mean()


def mixture_entropy(rows_ND: Tensor, label_N: Tensor, ridge: float = 1e-4) -> Tensor | None:
    """(log det S_1 + log det S_2) / 4, S the covariances of the rows of positive and of negative
    label: the entropy of a mixture of two Gaussians, up to a constant (eq. 6). None where a class
    has fewer than two rows.
    """
    parts = []
    for group_N in (label_N > 0, label_N < 0):
        if group_N.sum() < 2:
            return None
        centred_ND = rows_ND[group_N] - rows_ND[group_N].mean(0)
        covariance_DD = centred_ND.T @ centred_ND / len(centred_ND)
        identity_DD = torch.eye(len(covariance_DD), device=rows_ND.device)
        parts.append(torch.logdet(covariance_DD + ridge * identity_DD))
    return torch.stack(parts).sum() / 4


class MutualInformation(nn.Module):
    """``likelihood``: -log q(h_b | h_a), which trains q alone. ``bound``: -beta (log q + entropy of
    h_b), the lower bound of I(h_a; h_b) that the readers raise, q held fixed. ``contrast``: alpha
    times the contrast of each h_m with its prediction from z.

    The pairs (a, b) are text with audio and with video; without text audio with video. Both steps
    of the paper's algorithm see each batch once. The entropy is that of a fixed random projection
    of h_b, over this batch and the rows kept of those before.
    """

    class Config(Config):
        alpha: Annotated[float, Field(ge=0), Tune(0.01, 1.0, log=True)] = 0.1
        """Weight of the contrast of each modality's vector with its prediction from z."""
        beta: Annotated[float, Field(ge=0), Tune(0.01, 1.0, log=True)] = 0.1
        """Weight of the lower bound of the mutual information between modalities."""
        memory: Annotated[int, Field(ge=0)] = 32
        """Rows of earlier batches that the entropy is estimated with."""

    def __init__(self, config: Config, context: Context, model: Model) -> None:
        super().__init__()
        if context.space.kind != "score":
            raise RequestError(
                "objective mutual-information separates positive from negative scores, "
                "and this task is "
                f"a {context.space.kind}; choose a task with a score, or --part objective=task"
            )
        self.config = config
        self.modalities = list(context.streams)
        self.widths = [model.widths[f"utterance.{m}"] for m in self.modalities]
        width = dict(zip(self.modalities, self.widths, strict=True))
        self.pairs = [(self.modalities[0], b) for b in self.modalities[1:]]
        self.likelihood = nn.ModuleDict({b: Likelihood(width[a], width[b]) for a, b in self.pairs})
        self.predict = nn.ModuleDict(
            {m: nn.Linear(model.widths["fused"], w) for m, w in width.items()}
        )
        self.register_buffer("kept_label_R", torch.zeros(config.memory))
        for _, b in self.pairs:
            narrow = max(1, width[b] // 4)
            projection_DP = torch.randn(width[b], narrow) / width[b] ** 0.5
            self.register_buffer(f"project_{b}", projection_DP)
            self.register_buffer(f"kept_{b}", torch.zeros(config.memory, narrow))

    def _projected(self, b: str, h_BD: Tensor) -> Tensor:
        return (h_BD @ getattr(self, f"project_{b}")).tanh()

    def _vectors(self, out: Output) -> dict[str, Tensor]:
        parts = out.aux["utterances"].split(self.widths, 1)
        return dict(zip(self.modalities, parts, strict=True))

    def forward(
        self, model: Model, batch: Batch, out: Output, at: Progress
    ) -> Mapping[str, Tensor]:
        assert out.fused is not None
        h, z_BD = self._vectors(out), out.fused.z_BCD[:, 0]
        present = dict(zip(self.modalities, out.aux["present"].unbind(1), strict=True))
        zero = z_BD.sum() * 0
        likelihood, bound, contrasts = [zero], [zero], [zero]
        for a, b in self.pairs:
            rows = present[a] & present[b]
            if rows.any():
                q = self.likelihood[b]
                x_BX, y_BY = h[a][rows], h[b][rows]
                likelihood.append(-q(x_BX.detach(), y_BY.detach()).mean())
                fixed = {name: p.detach() for name, p in q.named_parameters()}
                bound.append(-functional_call(q, fixed, (x_BX, y_BY)).mean())
            rows_ND = torch.cat((self._projected(b, h[b]), getattr(self, f"kept_{b}")))
            label_B = torch.where(present[b] & known_rows(batch), batch.target, 0.0)
            entropy = mixture_entropy(rows_ND, torch.cat((label_B, self.kept_label_R)))
            if entropy is not None:
                bound.append(-entropy)
        for m in self.modalities:
            if present[m].any():
                rows = present[m]
                contrasts.append(contrast(h[m][rows], self.predict[m](z_BD[rows])))
        return {
            "likelihood": torch.stack(likelihood).sum(),
            "bound": self.config.beta * torch.stack(bound).sum(),
            "contrast": self.config.alpha * torch.stack(contrasts).sum(),
        }

    def after_batch(self, model: Model, batch: Batch, out: Output, at: Progress) -> None:
        """Keep the newest rows that have every modality and a known score."""
        rows = out.aux["present"].all(1) & known_rows(batch)
        size = len(self.kept_label_R)
        if not size:
            return
        h = self._vectors(out)
        self.kept_label_R.copy_(torch.cat((self.kept_label_R, batch.target[rows]))[-size:])
        for _, b in self.pairs:
            kept_RP = getattr(self, f"kept_{b}")
            kept_RP.copy_(torch.cat((kept_RP, self._projected(b, h[b][rows])))[-size:])
