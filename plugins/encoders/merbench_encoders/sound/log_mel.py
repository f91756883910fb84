"""``log-mel``: the spectrum of a clip's sound on the mel scale, or its cepstral coefficients
(Davis & Mermelstein 1980). No weights are needed.
"""

from __future__ import annotations

import math
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from merbench.api import ClipRows, Context, Steps, StreamSpec, TextRows, Tune
from merbench_encoders.sound.waves import (
    LEAST_STEPS,
    LongestConfig,
    Waves,
    normalised,
    read_waves,
    step_means,
)

RATE, WINDOW, HOP, BINS = 16_000, 400, 160, 512
"""Hz; samples of a frame (25 ms), from one to the next (10 ms), and of its Fourier transform."""
LOWEST = 1e-10
"""Power of silence, -100 dB."""


class LogMel(nn.Module):
    """Clips -> Waves -> Steps [B, L, D], D = ``config.bands`` or ``config.coefficients``: a step is
    the mean over ``config.frames`` frames of 10 ms.

    The power of each frame (Hann window) on Slaney's mel scale, in units of 10 dB. Of each clip
    its mean is taken away, and it is divided by its deviation, dimension by dimension (cepstral
    mean and variance normalisation, Viikki & Laurila 1998): no other clip is needed. A clip of one
    step, of which nothing would be left, is missing. ``mfcc`` is the orthonormal DCT of the same.
    """

    class Config(LongestConfig):
        kind: Literal["log-mel", "mfcc"] = "log-mel"
        """The mel spectrum itself, or its cepstral coefficients (``mfcc``)."""
        bands: Annotated[int, Field(ge=8, le=128), Tune(choices=(40, 64, 80))] = 64
        """Bands of the mel scale, between 0 and 8 kHz."""
        coefficients: Annotated[int, Field(ge=1, le=128)] = 20
        """Of ``mfcc``: the first so many."""
        frames: Annotated[int, Field(ge=1), Tune(choices=(4, 10, 20))] = 10
        """Frames of 10 ms that are one step."""

    frozen = True
    packages = ("transformers",)
    steps_at_once = 600 * RATE
    """Samples: ten minutes of sound."""
    filters_FM: Tensor
    hann_N: Tensor
    dct_MK: Tensor

    def __init__(self, config: Config, context: Context, stream: StreamSpec) -> None:
        super().__init__()
        from transformers.audio_utils import mel_filter_bank

        self.config = config
        self.measured: dict[str, float] = {}
        filters = mel_filter_bank(
            BINS // 2 + 1, config.bands, 0.0, RATE / 2, RATE, norm="slaney", mel_scale="slaney"
        )
        self.register_buffer("filters_FM", torch.from_numpy(filters).float(), persistent=False)
        self.register_buffer("hann_N", torch.hann_window(WINDOW), persistent=False)
        n_coefficients = min(config.coefficients, config.bands) if config.kind == "mfcc" else None
        self.register_buffer("dct_MK", _dct(config.bands, n_coefficients), persistent=False)
        self.width = self.dct_MK.shape[1]
        self.shortest = WINDOW + (LEAST_STEPS * config.frames - 1) * HOP

    @staticmethod
    def fixed(config: Config) -> bool:
        """It learns from no row."""
        return True

    def prepare(self, rows: TextRows) -> ClipRows:
        """Clips are decoded as batches ask for them."""
        clips = read_waves(rows, RATE, self.config.longest, self.shortest)
        self.measured = clips.measured
        return clips

    def forward(self, inputs: Waves) -> Steps:
        wave_BS, length_B = inputs
        frames_B = ((length_B - WINDOW).div(HOP, rounding_mode="floor") + 1).clamp(min=0)
        steps_B = frames_B.div(self.config.frames, rounding_mode="floor")
        steps_B = torch.where(length_B < self.shortest, 0, steps_B)
        mask_BL = torch.arange(max(1, int(steps_B.max())), device=wave_BS.device) < steps_B[:, None]
        x_BLD = torch.zeros(*mask_BL.shape, self.width, device=wave_BS.device)
        for row, steps in enumerate(steps_B.tolist()):
            if steps:
                x_BLD[row, :steps] = self._steps(wave_BS[row, : length_B[row]])
        return Steps(x_BLD, mask_BL)

    def _steps(self, wave_S: Tensor) -> Tensor:
        """[L, D] of one clip."""
        frame_TN = wave_S.unfold(0, WINDOW, HOP) * self.hann_N
        power_TF = torch.fft.rfft(frame_TN, BINS).abs().square()
        log_TM = (power_TF @ self.filters_FM).clamp(min=LOWEST).log10()
        x_TD = log_TM @ self.dct_MK
        return normalised(step_means(x_TD, self.config.frames))


def _dct(bands: int, n_coefficients: int | None) -> Tensor:
    """[bands, kept] of the orthonormal DCT-II; the identity where ``kept`` is None."""
    if n_coefficients is None:
        return torch.eye(bands)
    place_M = torch.arange(bands) + 0.5
    basis_MK = torch.cos(
        math.pi / bands * place_M[:, None] * torch.arange(n_coefficients)
    ) * math.sqrt(2 / bands)
    basis_MK[:, 0] /= math.sqrt(2)
    return basis_MK
