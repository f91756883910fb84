"""``hf-audio``: frames of a pretrained speech model (wav2vec 2.0, HuBERT, WavLM) on the waveform."""

from __future__ import annotations

import json

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from merbench.api import Context, RequestError, Steps, StreamSpec, masked_mean
from merbench_encoders.hf import (
    LayerConfig,
    ModelName,
    hf_digest,
    hf_source,
    hidden_state,
    load_hf,
)
from merbench_encoders.waves import Waves, WaveTower

_INSTEAD = "use a stream of audio features (--stream audio=NAME) or another model (--set encoder.audio.model=FOLDER)"


class HfAudio(WaveTower):
    """Clips -> Waves -> Steps [B, L, D], D = the model's width, about 50 frames a second; a row
    shorter than one frame is missing.

    ``sampling_rate`` in Hz and whether each wave is brought to mean 0 and variance 1 are read from
    the model's own files.
    """

    class Config(LayerConfig):
        model: ModelName = "facebook/wav2vec2-base"

    def __init__(self, config: Config, context: Context, stream: StreamSpec) -> None:
        # Its own augmentation would mask frames and skip layers at random in training.
        net, folder = load_hf(
            config, _INSTEAD, mask_time_prob=0.0, mask_feature_prob=0.0, layerdrop=0.0
        )
        settings = net.config
        if not getattr(settings, "conv_kernel", None) or getattr(settings, "add_adapter", False):
            raise RequestError(
                f"{config.model} is no model of the wav2vec 2.0 family; choose one that is, or {_INSTEAD}"
            )
        super().__init__(net, config)
        file = folder / "preprocessor_config.json"
        reader = json.loads(file.read_text()) if file.exists() else {}
        self.sampling_rate, self.normalised = (
            int(reader.get("sampling_rate", 16_000)),
            bool(reader.get("do_normalize", True)),
        )
        self.convolutions = tuple(zip(settings.conv_kernel, settings.conv_stride, strict=True))
        self.layer, self.width = config.layer, int(settings.hidden_size)
        # Its first norm averages over time, padding included: such a model sees one row at a time,
        # as in its pre-training.
        self.alone = settings.feat_extract_norm == "group"

    @staticmethod
    def pretrained(config: Config) -> dict[str, str]:
        """Name -> SHA-256 of the weights it starts from."""
        return hf_digest(config, _INSTEAD)

    @staticmethod
    def sources(config: Config) -> dict[str, str]:
        """Name -> where those weights come from, with the revision where there is one."""
        return hf_source(config, _INSTEAD)

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
        longest = max(1, int(self.frames(torch.tensor(wave_BS.shape[1]))))
        x_BLD = wave_BS.new_zeros(len(wave_BS), longest, self.width)
        there = frames_B.nonzero()[:, 0]
        if len(there):
            if self.alone:
                states = [
                    self._states(wave_BS[i : i + 1, : length_B[i]])[0] for i in there.tolist()
                ]
                state_NLD = pad_sequence(states, batch_first=True)
            else:
                state_NLD = self._states(wave_BS[there], real_BS[there].long())
            state_NLD = F.pad(state_NLD, (0, 0, 0, longest - state_NLD.shape[1]))
            x_BLD = x_BLD.index_put((there,), state_NLD)
        return Steps(x_BLD, torch.arange(longest, device=wave_BS.device) < frames_B[:, None])

    def _states(self, wave_BS: Tensor, attention_mask: Tensor | None = None) -> Tensor:
        with self.cast(wave_BS.device):
            return hidden_state(
                self.net, self.layer, input_values=wave_BS, attention_mask=attention_mask
            ).float()
