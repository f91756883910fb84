"""MISA: modality-invariant and -specific representations (Hazarika et al. 2020, ACM MM,
arXiv 2005.03545).
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from merbench.api import (
    Batch,
    Config,
    Context,
    Fused,
    Modality,
    Model,
    Output,
    Progress,
    Queries,
    Steps,
    Tune,
)
from merbench_baselines.attention import EncoderLayer
from merbench_baselines.fields import Dropout
from merbench_baselines.layers import require_heads
from merbench_baselines.utterance_vectors import Readers, StackedBiLSTM, StateReader, TextReading


class Projected(nn.Module):
    """A reader, then Linear, ReLU, LayerNorm: u_m of the paper (section 3.3)."""

    def __init__(self, reader: nn.Module, width_read: int, width: int) -> None:
        super().__init__()
        self.reader, self.width = reader, width
        self.project = nn.Sequential(nn.Linear(width_read, width), nn.ReLU(), nn.LayerNorm(width))

    def forward(self, steps: Steps) -> Tensor:
        return self.project(self.reader(steps))


class MISA(nn.Module):
    """z = the shared and private vectors of every modality after self-attention among them, side by
    side (sections 3.3 and 3.4).

    h^c_m = sigmoid(W^c u_m + b^c), the same for all modalities; h^p_m = sigmoid(W_m u_m + b_m). A
    missing modality's vectors are zeros, and no other attends to them. ``aux``: ``shared``,
    ``private``, ``utterances`` (u_m) and ``reconstructed`` (of h^c_m + h^p_m) [B, M, width], and
    ``present`` [B, M].
    """

    class Config(Config):
        width: Annotated[int, Field(ge=2, multiple_of=2), Tune(choices=(32, 64, 128, 256))] = 128
        rnn: Annotated[int, Field(ge=1)] | None = None
        """States of each direction of the LSTMs; None = as many as their input is wide, as in the
        authors' code.
        """
        text: TextReading = "lstm"
        """How text is read: by LSTMs, or as the mean or the first of a language model's states."""
        heads: Annotated[int, Field(ge=1), Tune(choices=(1, 2))] = 2
        ffn: Annotated[int, Field(ge=1), Tune(64, 2048, log=True)] = 2048
        """Width of the hidden layer of the feed-forward network after the attention."""
        attention_dropout: Dropout = 0.1
        """Of the attention among the vectors."""
        fused: Literal["both", "shared", "private"] = "both"
        """Which vectors are fused."""

    def __init__(
        self,
        config: Config,
        context: Context,
        widths: Mapping[Modality, int],
        query_width: int | None,
    ) -> None:
        super().__init__()
        require_heads("misa", config.width, config.heads)

        def reader(m: Modality, w: int) -> nn.Module:
            if m == "text" and config.text != "lstm":
                return Projected(StateReader(w, config.text), w, config.width)
            rnn = config.rnn or w
            return Projected(StackedBiLSTM(w, rnn), 4 * rnn, config.width)

        self.read = Readers({m: reader(m, w) for m, w in widths.items()}, widths)

        def encoder() -> nn.Module:
            return nn.Sequential(nn.Linear(config.width, config.width), nn.Sigmoid())

        self.shared = encoder()
        self.private = nn.ModuleDict({m: encoder() for m in widths})
        self.decode = nn.ModuleDict({m: nn.Linear(config.width, config.width) for m in widths})
        self.attend = EncoderLayer(config.width, config.heads, config.ffn, config.attention_dropout)
        self.fused = config.fused
        self.width = config.width * len(widths) * (2 if config.fused == "both" else 1)

    def forward(self, parts: Mapping[Modality, Steps], queries: Queries | None = None) -> Fused:
        utterances, present_BM = self.read(parts)
        u_BMD = torch.stack(list(utterances.values()), 1)
        there_BM1 = present_BM[..., None]
        shared_BMD = torch.where(there_BM1, self.shared(u_BMD), 0.0)
        private = [self.private[m](u_BD) for m, u_BD in utterances.items()]
        private_BMD = torch.where(there_BM1, torch.stack(private, 1), 0.0)
        sums = (shared_BMD + private_BMD).unbind(1)
        decoded = [self.decode[m](x_BD) for m, x_BD in zip(utterances, sums, strict=True)]

        chosen = {"shared": shared_BMD, "private": private_BMD}
        chosen = chosen if self.fused == "both" else {self.fused: chosen[self.fused]}
        h_BHD, mask_BH = (
            torch.cat(list(chosen.values()), 1),
            torch.cat([present_BM] * len(chosen), 1),
        )
        h_BHD = torch.where(mask_BH[..., None], self.attend(h_BHD, mask_BH), 0.0)
        aux = {
            "shared": shared_BMD,
            "private": private_BMD,
            "utterances": u_BMD,
            "reconstructed": torch.stack(decoded, 1),
            "present": present_BM,
        }
        return Fused(h_BHD.flatten(1)[:, None], aux)


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
