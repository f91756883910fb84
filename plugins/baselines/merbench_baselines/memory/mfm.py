"""MFM: Multimodal Factorization Model (Tsai et al. 2019, ICLR, arXiv 1806.06176)."""

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
    Fused,
    Modality,
    Model,
    Output,
    Progress,
    Queries,
    Steps,
    Tune,
    by_length,
    complete,
    masked_mean,
    present_modalities,
)
from merbench_baselines.align import aligned
from merbench_baselines.fields import AudioWidth, Dropout, TextWidth, Width, by_modality
from merbench_baselines.layers import LastState, hidden_layer
from merbench_baselines.memory.lstm_memories import MemoryDropout, VideoWidth
from merbench_baselines.memory.mfn import MFN

TextDropout = Annotated[float, Field(ge=0, lt=1), Tune(0.0, 0.7, modality="text")]
AudioDropout = Annotated[float, Field(ge=0, lt=1), Tune(0.0, 0.7, modality="audio")]
VideoDropout = Annotated[float, Field(ge=0, lt=1), Tune(0.0, 0.7, modality="video")]


def factor(width: int, width_out: int, dropout: float) -> nn.Sequential:
    """F = G(Z): twice Linear, ReLU."""
    return nn.Sequential(hidden_layer(width, width_out, width_out, dropout), nn.ReLU())


class Decoder(nn.LSTMCell):
    """Factors -> a stream of any length: an LSTM that reads the factors, then its own states."""

    def __init__(self, width: int, width_out: int) -> None:
        super().__init__(width, width)
        self.out = nn.Linear(width, width_out)

    def forward(self, factors_BF: Tensor, length: int) -> Tensor:  # type: ignore[override]
        """[B, length, width_out]."""
        bias = self.bias_ih + self.bias_hh
        # Input and state are the same from step 2 on.
        repeated_weight = self.weight_ih + self.weight_hh
        gates_BG = F.linear(factors_BF, self.weight_ih, bias)
        c_BF, states = torch.zeros_like(factors_BF), []
        for _ in range(length):
            i_BF, f_BF, g_BF, o_BF = gates_BG.chunk(4, 1)
            c_BF = f_BF.sigmoid() * c_BF + i_BF.sigmoid() * g_BF.tanh()
            states.append(o_BF.sigmoid() * c_BF.tanh())
            gates_BG = F.linear(states[-1], repeated_weight, bias)
        return self.out(torch.stack(states, 1))


class MFM(nn.Module):
    """z = F_y, the factor that decides; it and a modality's own factor F_m generate the modality's
    stream.

    F_y = G_y(Z_y), Z_y = W [MFN's z]; F_m = G_m(Z_m), Z_m = W_m LSTM_m(x_m). ``aux``: ``latents``
    (Z_y and every Z_m side by side; ``widths`` has each as ``latent.NAME``), ``errors`` (mean
    square over the real steps of a stream) and ``present`` [B, M].
    """

    class Config(MFN.Config):
        hidden_text: TextWidth = 128
        hidden_video: VideoWidth = 128
        memory: Annotated[int, Field(ge=1), Tune(32, 512, log=True)] = 64
        attention_dropout: MemoryDropout = 0.7
        retain_hidden: Width = 32
        retain_dropout: MemoryDropout = 0.0
        write_hidden: Width = 64
        latent: Width = 80
        """Of Z_y."""
        latent_text: TextWidth = 64
        """Width of the text's own latent Z_m and of the LSTM before it; no effect without
        ``private``.
        """
        latent_audio: AudioWidth = 80
        """Width of the audio's own latent Z_m and of the LSTM before it."""
        latent_video: VideoWidth = 80
        """Width of the video's own latent Z_m and of the LSTM before it."""
        factor: Width = 64
        """Of F_y."""
        factor_text: TextWidth = 32
        """Width of the text's own factor F_m; no effect without ``private``."""
        factor_audio: AudioWidth = 16
        """Width of the audio's own factor F_m."""
        factor_video: VideoWidth = 64
        """Width of the video's own factor F_m."""
        factor_dropout: Dropout = 0.5
        factor_dropout_text: TextDropout = 0.5
        factor_dropout_audio: AudioDropout = 0.7
        factor_dropout_video: VideoDropout = 0.5
        private: bool = True
        """Each modality has a factor of its own; False: all are generated from F_y alone."""

    def __init__(
        self,
        config: Config,
        context: Context,
        widths: Mapping[Modality, int],
        query_width: int | None,
    ) -> None:
        super().__init__()
        self.inputs, self.width = widths, config.factor
        self.mfn = MFN(config, context, widths, query_width)
        self.latent = nn.Linear(self.mfn.width, config.latent)
        self.factor = factor(config.latent, config.factor, config.factor_dropout)
        with_private_factor: list[Modality] = list(widths) if config.private else []
        latent: dict[str, int] = by_modality(config, "latent", with_private_factor)
        narrow: dict[str, int] = by_modality(config, "factor", with_private_factor)
        dropout = by_modality(config, "factor_dropout", with_private_factor)
        self.read = nn.ModuleDict({m: LastState(widths[m], latent[m]) for m in with_private_factor})
        self.latents = nn.ModuleDict({m: nn.Linear(w, w) for m, w in latent.items()})
        self.factors = nn.ModuleDict(
            {m: factor(w, narrow[m], dropout[m]) for m, w in latent.items()}
        )
        self.decode = nn.ModuleDict(
            {m: Decoder(config.factor + narrow.get(m, 0), w) for m, w in widths.items()}
        )
        sizes = {"fused": config.latent, **latent}
        self.widths = {f"latent.{name}": w for name, w in sizes.items()}
        self.columns = (config.factor, len(widths), sum(sizes.values()))

    def generate(self, parts: dict[str, Steps]) -> Tensor:
        """[B, sum of ``columns``]: F_y, the errors and the latents of aligned streams."""
        latent_BZ = self.latent(self.mfn.last_states(parts))
        factor_BF = self.factor(latent_BZ)
        latents, errors = [latent_BZ], []
        for m, (x_BTD, mask_BT) in parts.items():
            factors_BF = factor_BF
            if m in self.read:
                own_BZ = self.latents[m](self.read[m](parts[m]))
                latents.append(own_BZ)
                factors_BF = torch.cat((factor_BF, self.factors[m](own_BZ)), 1)
            generated_BTD = self.decode[m](factors_BF, x_BTD.shape[1])
            # A stream that is trained along would otherwise become easy to generate: constant.
            squared_BT1 = (generated_BTD - x_BTD.detach()).square().mean(2, keepdim=True)
            errors.append(masked_mean(squared_BT1, mask_BT))
        return torch.cat((factor_BF, *errors, *latents), 1)

    def forward(self, parts: Mapping[Modality, Steps], queries: Queries | None = None) -> Fused:
        steps = complete(parts, self.inputs)
        columns_BC = by_length(self.generate, aligned(steps))
        factor_BF, errors_BM, latents_BZ = columns_BC.split(self.columns, 1)
        present_BM = present_modalities(steps)
        aux = {"errors": errors_BM, "latents": latents_BZ, "present": present_BM}
        return Fused(factor_BF[:, None], aux)


def discrepancy(z_ND: Tensor) -> Tensor:
    """MMD^2 of rows and N(0, I) with the kernel exp(-|x - y|^2 / D^2).

    mean_ij k(z_i, z_j) - 2 mean_i E k(z_i, e) + E k(e, e'), whose expectations over the Gaussian
    have closed forms: no noise is drawn.
    """
    width = z_ND.shape[1]
    scale = float(width**2)
    square_N = z_ND.square().sum(1)
    distance_NN = (square_N[:, None] + square_N - 2 * z_ND @ z_ND.T).clamp(min=0)
    within = (-distance_NN / scale).exp().mean()
    across_N = (scale / (scale + 2)) ** (width / 2) * (-square_N / (scale + 2)).exp()
    gaussian = (scale / (scale + 4)) ** (width / 2)
    return within - 2 * across_N.mean() + gaussian


class MFMLoss(nn.Module):
    """``generation``: weighted mean squared errors of the generated streams. ``prior``: of every
    latent its discrepancy from N(0, I). Of a modality the rows that have it count.
    """

    class Config(Config):
        text: Annotated[float, Field(ge=0), Tune(0.01, 5.0, log=True, modality="text")] = 0.5
        """Weight of the squared error of the generated text stream."""
        audio: Annotated[float, Field(ge=0), Tune(0.01, 5.0, log=True, modality="audio")] = 0.01
        """Weight of the squared error of the generated audio stream."""
        video: Annotated[float, Field(ge=0), Tune(0.01, 5.0, log=True, modality="video")] = 0.5
        """Weight of the squared error of the generated video stream."""
        prior: Annotated[float, Field(ge=0), Tune(1.0, 300.0, log=True)] = 100.0
        """Weight of the latents' discrepancy from a standard normal distribution."""

    def __init__(self, config: Config, context: Context, model: Model) -> None:
        super().__init__()
        self.config = config
        prefix = "latent."
        latents = {n: w for n, w in model.widths.items() if n.startswith(prefix)}
        self.latents = {name.removeprefix(prefix): w for name, w in latents.items()}
        self.weights = {m: float(getattr(config, m)) for m in context.streams}

    def forward(
        self, model: Model, batch: Batch, out: Output, at: Progress
    ) -> Mapping[str, Tensor]:
        present_BM = out.aux["present"]
        errors_BM = torch.where(present_BM, out.aux["errors"], 0.0)
        mean_M = errors_BM.sum(0) / present_BM.sum(0).clamp(min=1)
        generation = (mean_M * mean_M.new_tensor(list(self.weights.values()))).sum()
        rows = dict(zip(self.weights, present_BM.unbind(1), strict=True))
        rows["fused"] = present_BM.any(1)
        prior = generation.new_zeros(())
        parts = out.aux["latents"].split(tuple(self.latents.values()), 1)
        for name, z_BD in zip(self.latents, parts, strict=True):
            if rows[name].any():
                prior = prior + discrepancy(z_BD[rows[name]])
        return {"generation": generation, "prior": self.config.prior * prior}
