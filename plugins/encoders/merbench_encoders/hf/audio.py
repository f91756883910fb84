"""``hf-audio``: frames of a pretrained speech model (wav2vec 2.0, HuBERT, WavLM, ...) on the
waveform.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from merbench.api import Context, RequestError, Steps, StreamSpec, masked_mean
from merbench_encoders.hf.models import (
    LayerConfig,
    ModelName,
    hf_digest,
    hidden_state,
    input_settings,
    load_hf,
    wave_source,
)
from merbench_encoders.padding import rows_together
from merbench_encoders.sound.waves import LongestConfig, Waves, WaveTower

_INSTEAD = (
    "use a stream of audio features (--stream audio=NAME) or another model "
    "(--set encoder.audio.model=FOLDER)"
)
MASKING = {"hubert", "sew", "sew-d", "unispeech", "unispeech-sat", "wav2vec2", "wavlm"}
"""Model types that keep padding out of real frames, where their convolutions are normalised frame
by frame (``feat_extract_norm=layer``). A group norm averages over time, padding included, and other
types (data2vec-audio, wav2vec2-conformer) convolve over padding: of those only waves of equal
length share a batch.
"""
SECONDS_AT_ONCE = 48


class HfAudio(WaveTower):
    """Clips -> Waves -> Steps [B, L, D], D = the model's width, about 50 frames a second; a row
    shorter than one frame is missing. No row's frames depend on who shares its batch.

    ``sampling_rate`` in Hz and whether each wave is brought to mean 0 and variance 1 are read from
    the model's own files.
    """

    class Config(LayerConfig, LongestConfig):
        model: ModelName = "facebook/wav2vec2-base"

    packages = ("transformers",)

    def __init__(self, config: Config, context: Context, stream: StreamSpec) -> None:
        # Its own augmentation would mask frames and skip layers at random in training.
        net, folder = load_hf(
            config, _INSTEAD, mask_time_prob=0.0, mask_feature_prob=0.0, layerdrop=0.0
        )
        super().__init__(net, config)
        reader = input_settings(folder)
        self.sampling_rate = int(reader.get("sampling_rate", 16_000))
        self.normalised = bool(reader.get("do_normalize", True))
        self.longest = config.longest
        self.steps_at_once = SECONDS_AT_ONCE * self.sampling_rate
        self.convolutions = _convolutions(net.config)
        for kernel, stride in reversed(self.convolutions):
            self.shortest = (self.shortest - 1) * stride + kernel
        self.layer, self.mean_layers = config.layer, config.mean_layers
        self.width = int(net.config.hidden_size)
        self.masks_padding = (
            net.config.model_type in MASKING
            and getattr(net.config, "feat_extract_norm", "group") == "layer"
        )
        self._check(config)
        samples = self.sampling_rate // 2
        self.settle_adapters(Waves(torch.zeros(1, samples), torch.tensor([samples])))

    def _check(self, config: Config) -> None:
        """RequestError unless half a second gives the frames that the convolutions make of it."""
        samples = self.sampling_rate // 2
        n_frames = int(self.frames(torch.tensor(samples))) if self.convolutions else 0
        output = self._try(torch.zeros(1, samples))
        if output is None or not n_frames or getattr(self.net.config, "add_adapter", False):
            raise RequestError(
                f"{config.model} is no model of the wav2vec 2.0 family; "
                f"choose one that is, or {_INSTEAD}"
            )
        if output.shape[1] != n_frames:  # as of SEW, which squeezes time between its ends
            raise RequestError(
                f"layer={config.layer} of {config.model} has {output.shape[1]} frames where its "
                f"output has {n_frames}; leave layer=-1, or {_INSTEAD}"
            )

    def _try(self, wave_1S: Tensor) -> Tensor | None:
        """Its states, [1, L, D]; None where a model of another kind fails on a wave."""
        training = self.net.training
        self.net.eval()
        try:
            with torch.no_grad():
                states = self._states(wave_1S)
        except RequestError:
            raise
        except Exception:
            return None
        finally:
            self.net.train(training)
        return states if states.ndim == 3 else None

    @staticmethod
    def pretrained(config: Config) -> dict[str, str]:
        """Name -> SHA-256 of the weights it starts from."""
        return hf_digest(config, _INSTEAD)

    @staticmethod
    def sources(config: Config) -> dict[str, str]:
        """Name -> where those weights come from, with the revision where there is one."""
        return wave_source(config, _INSTEAD, "16 kHz and normalised waves")

    def frames(self, samples: Tensor) -> Tensor:
        """How many frames the convolutions make of so many samples."""
        for kernel, stride in self.convolutions:
            samples = (samples - kernel).div(stride, rounding_mode="floor").clamp(min=-1) + 1
        return samples

    def forward(self, inputs: Waves) -> Steps:
        wave_BS, length_B = inputs
        real_BS = torch.arange(wave_BS.shape[1], device=wave_BS.device) < length_B[:, None]
        if self.normalised:
            wave_BS = wave_BS - masked_mean(wave_BS[..., None], real_BS)
            wave_BS = wave_BS / (masked_mean(wave_BS[..., None].square(), real_BS) + 1e-7).sqrt()
        wave_BS = torch.where(real_BS, wave_BS, 0.0)
        frames_B = self.frames(length_B)
        longest = max(1, int(frames_B.max()))
        x_BLD = wave_BS.new_zeros(len(wave_BS), longest, self.width)
        heard_B = length_B * (frames_B > 0)
        for row_N in rows_together(heard_B, self.masks_padding, self.steps_at_once):
            end = int(length_B[row_N].max())
            padded = bool((length_B[row_N] < end).any())
            mask_NS = real_BS[row_N, :end].long() if padded else None
            state_NLD = self._states(wave_BS[row_N, :end], mask_NS)
            state_NLD = F.pad(state_NLD, (0, 0, 0, longest - state_NLD.shape[1]))
            x_BLD = x_BLD.index_put((row_N,), state_NLD)
        return Steps(x_BLD, torch.arange(longest, device=wave_BS.device) < frames_B[:, None])

    def _states(self, wave_BS: Tensor, attention_mask: Tensor | None = None) -> Tensor:
        with self.cast(wave_BS.device):
            return hidden_state(
                self.net,
                self.layer,
                self.mean_layers,
                input_values=wave_BS,
                attention_mask=attention_mask,
            ).float()


def _convolutions(settings: Any) -> tuple[tuple[int, int], ...]:
    """(kernel, stride) of each convolution over samples; nothing where a model says otherwise."""
    kernels, strides = (getattr(settings, f"conv_{name}", None) for name in ("kernel", "stride"))
    if not isinstance(kernels, (list, tuple)) or not isinstance(strides, (list, tuple)):
        return ()
    return tuple(zip(kernels, strides, strict=True))
