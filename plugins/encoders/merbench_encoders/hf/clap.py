"""``clap``: a CLAP audio tower on windows of the waveform (Elizalde et al. 2022, 2206.04769;
weights of Wu et al. 2022, 2211.06687).
"""

from __future__ import annotations

import math
from typing import Annotated

import numpy as np
import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor

from merbench.api import Context, RequestError, Steps, StreamSpec, Tune
from merbench_encoders.hf.models import (
    HfConfig,
    ModelName,
    hf_digest,
    input_settings,
    load_net,
    wave_source,
)
from merbench_encoders.sequence import sinusoids
from merbench_encoders.sound.waves import Waves, WaveTower

_INSTEAD = (
    "use a stream of audio features (--stream audio=NAME) or another encoder (--encoder "
    "audio=hf-audio)"
)

_WINDOWS_AT_ONCE = 64


class Clap(WaveTower):
    """Clips -> Waves -> Steps [B, L, D], D = CLAP's joint width: a step a window, L <=
    ``config.longest``.

    A window is repeated until it fills the tower's input (10 s), as CLAP was trained on short
    sounds. A step is the window's embedding at length sqrt(D) (CLAP compares directions only) plus
    the sinusoids of its place. The last window ends where the wave ends, and a row shorter than a
    window is one window.
    """

    class Config(HfConfig):
        model: ModelName = "laion/clap-htsat-unfused"
        window: Annotated[float, Field(ge=0.1, le=10), Tune(choices=(1.0, 2.0, 5.0))] = 2.0
        """Seconds."""
        hop: Annotated[float, Field(ge=0.05, le=10), Tune(choices=(0.5, 1.0, 2.0))] = 1.0
        """Seconds from one window's start to the next."""
        longest: Annotated[int, Field(ge=1)] = 60
        """Windows of a clip that are kept at most; clips that are longer are counted."""

    packages = ("transformers",)
    filters_FM: Tensor
    hann_N: Tensor
    place_LD: Tensor

    def __init__(self, config: Config, context: Context, stream: StreamSpec) -> None:
        net, folder = load_net(config, _INSTEAD, "ClapAudioModelWithProjection")
        super().__init__(net, config)
        from transformers import ClapFeatureExtractor  # after the model, as in hf.py

        reader = ClapFeatureExtractor.from_dict(input_settings(folder))
        if reader.feature_size != net.config.num_mel_bins:
            raise RequestError(
                f"{config.model} reads {net.config.num_mel_bins} mel bands, and its files describe "
                f"waves as {reader.feature_size}; copy preprocessor_config.json from where the "
                f"weights come from, or {_INSTEAD}"
            )
        self.fused = bool(net.config.enable_fusion)
        self.sampling_rate, self.samples, self.stride = (
            reader.sampling_rate,
            reader.nb_max_samples,
            reader.hop_length,
        )
        self.window, self.hop = (
            max(1, round(s * reader.sampling_rate)) for s in (config.window, config.hop)
        )
        if self.window > self.samples:  # no whole repeat would fit: the tower would hear silence
            seconds = self.samples / reader.sampling_rate
            raise RequestError(
                f"{config.model} hears {seconds:g} s at a time, and window={config.window:g} is "
                f"longer; give --set encoder.audio.window={seconds:g} at most"
            )
        self.windows, self.width = config.longest, int(net.config.projection_dim)
        self.longest = config.window + (config.longest - 1) * config.hop
        self.steps_at_once = _WINDOWS_AT_ONCE * self.hop
        filters = reader.mel_filters if self.fused else reader.mel_filters_slaney
        self.register_buffer(
            "filters_FM", torch.from_numpy(np.asarray(filters)).float(), persistent=False
        )
        self.register_buffer("hann_N", torch.hann_window(reader.fft_window_size), persistent=False)
        self.register_buffer("place_LD", sinusoids(config.longest, self.width), persistent=False)
        self.settle_adapters(Waves(torch.zeros(1, self.window), torch.tensor([self.window])))

    @staticmethod
    def pretrained(config: Config) -> dict[str, str]:
        """Name -> SHA-256 of the weights it starts from."""
        return hf_digest(config, _INSTEAD)

    @staticmethod
    def sources(config: Config) -> dict[str, str]:
        """Name -> where those weights come from, with the revision where there is one."""
        return wave_source(config, _INSTEAD, "the settings of CLAP's first weights (48 kHz)")

    def mels(self, window_NS: Tensor) -> Tensor:
        """Windows [N, S] -> [N, 1, frames, mels] in dB, each window repeated to the tower's length;
        equal to ClapFeatureExtractor's.
        """
        n_repeats = self.samples // window_NS.shape[1]
        wave_NS = F.pad(
            window_NS.repeat(1, n_repeats), (0, self.samples - n_repeats * window_NS.shape[1])
        )
        size = len(self.hann_N)
        power_NFT = (
            torch.stft(
                wave_NS,
                size,
                self.stride,
                window=self.hann_N,
                pad_mode="reflect",
                return_complex=True,
            )
            .abs()
            .square()
        )
        return 10 * (power_NFT.transpose(1, 2) @ self.filters_FM).clamp(min=1e-10).log10()[:, None]

    def forward(self, inputs: Waves) -> Steps:
        wave_BS, length_B = inputs
        windows_B = ((length_B - self.window).clamp(min=0).float() / self.hop).ceil().long() + 1
        windows_B = torch.where(length_B > 0, windows_B, 0).clamp(max=self.windows)
        mask_BL = (
            torch.arange(max(1, int(windows_B.max())), device=wave_BS.device) < windows_B[:, None]
        )
        z_BLD = torch.zeros(*mask_BL.shape, self.width, device=wave_BS.device)
        # Windows of one length go through together; only a row shorter than a window has another.
        for size in length_B[length_B > 0].clamp(max=self.window).unique().tolist():
            of_size_B = length_B.clamp(max=self.window) == size
            for row_step_N2 in (mask_BL & of_size_B[:, None]).nonzero().split(_WINDOWS_AT_ONCE):
                row_N, step_N = row_step_N2.T
                start_N = torch.minimum(step_N * self.hop, length_B[row_N] - size)
                window_NS = wave_BS[
                    row_N[:, None], start_N[:, None] + torch.arange(size, device=wave_BS.device)
                ]
                z_ND = F.normalize(self._embedded(window_NS), dim=-1) * math.sqrt(self.width)
                z_BLD = z_BLD.index_put((row_N, step_N), z_ND)
        return Steps(z_BLD + self.place_LD[: mask_BL.shape[1]], mask_BL)

    def _embedded(self, window_NS: Tensor) -> Tensor:
        mels_NCTM = self.mels(window_NS)
        longer_N1 = torch.zeros(len(window_NS), 1, dtype=torch.bool, device=window_NS.device)
        with self.cast(window_NS.device):
            features = mels_NCTM.expand(-1, 4, -1, -1) if self.fused else mels_NCTM
            return self.net(input_features=features, is_longer=longer_N1).audio_embeds.float()
