"""``opensmile``: openSMILE's hand-made features of a clip's sound (Eyben et al. 2010): eGeMAPS
(Eyben et al. 2016) or ComParE 2016 (Schuller et al. 2016). No weights are needed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from merbench.api import (
    ClipRows,
    Context,
    Decoded,
    RequestError,
    Steps,
    StreamSpec,
    TextRows,
    Tune,
    read_wave,
)
from merbench_encoders.sound.waves import (
    LEAST_STEPS,
    ONE_STEP,
    LongestConfig,
    normalised,
    step_means,
    too_short,
)

RATE = 16_000
"""Hz."""
SHORTEST = 960
"""Samples of openSMILE's longest frame, 60 ms: of less it has no value."""
LOUDEST = np.float32(32_767 / 32_768)
"""openSMILE multiplies by 32,768 and keeps 16 bits: a sample of 1 would become -1."""


class OpenSmile(nn.Module):
    """Clips -> Steps [B, L, D].

    ``functionals``: one step a clip, D = 88 (eGeMAPSv02) or 6,373 (ComParE_2016), as openSMILE
    gives them but sign(x) ln(1 + |x|), so that no column is in the thousands.
    ``frames``: low-level descriptors every 10 ms, D = 25 or 65; a step is the mean over
    ``config.frames`` of them; of each clip its mean is taken away, and it is divided by its
    deviation, dimension by dimension: a clip of one step, of which nothing would be left, is
    missing. No clip depends on another.
    """

    class Config(LongestConfig):
        features: Literal["eGeMAPSv02", "ComParE_2016"] = "eGeMAPSv02"
        """openSMILE's feature set: 88 functionals or 25 descriptors of eGeMAPS, 6,373 or 65 of
        ComParE.
        """
        level: Literal["functionals", "frames"] = "functionals"
        """``functionals``: one step a clip. ``frames``: low-level descriptors, a step every
        ``frames`` of them.
        """
        frames: Annotated[int, Field(ge=1), Tune(choices=(4, 10, 20))] = 10
        """Of level ``frames``: descriptors, one every 10 ms, that are one step."""

    frozen = True
    packages = ("opensmile",)

    def __init__(self, config: Config, context: Context, stream: StreamSpec) -> None:
        super().__init__()
        self.config = config
        self.width = int(_extractor(config).num_features)
        self.measured: dict[str, float] = {}

    @staticmethod
    def fixed(config: Config) -> bool:
        """It learns from no row."""
        return True

    def prepare(self, rows: TextRows) -> ClipRows:
        """Clips are decoded, and their features made, as batches ask for them."""
        config, extractor = self.config, _extractor(self.config)

        def read(path: str) -> Decoded:
            decoded = read_wave(path, RATE, config.longest)
            if len(decoded.values) < SHORTEST:
                return too_short(decoded, SHORTEST, RATE)
            steps_LD = _steps(described(extractor, decoded.values), config)
            if config.level == "frames" and len(steps_LD) < LEAST_STEPS:
                return Decoded((), decoded.note or ONE_STEP)
            return decoded._replace(values=steps_LD)

        clips = ClipRows(rows, read, self._side_by_side)
        self.measured = clips.measured
        return clips

    def _side_by_side(self, features: Sequence[Tensor | None]) -> Steps:
        """One entry a row, None = missing."""
        rows = [torch.zeros(0, self.width) if x_LD is None else x_LD for x_LD in features]
        x_BLD = pad_sequence([*rows, torch.zeros(1, self.width)], batch_first=True)[:-1]
        length_B = torch.tensor([len(x_LD) for x_LD in rows])
        return Steps(x_BLD, torch.arange(x_BLD.shape[1]) < length_B[:, None])

    def forward(self, inputs: Steps) -> Steps:
        return inputs


def described(extractor: Any, wave_S: np.ndarray) -> np.ndarray:
    """openSMILE's values [T, D] float32 of a wave in [-1, 1]; what is not finite is 0."""
    features = extractor.process_signal(np.clip(wave_S, -1, LOUDEST), RATE)
    return np.nan_to_num(features.to_numpy(np.float32), posinf=0.0, neginf=0.0)


def _steps(features_TD: np.ndarray, config: OpenSmile.Config) -> Tensor:
    """[L, D]."""
    x_TD = torch.from_numpy(features_TD)
    if config.level == "functionals":
        return x_TD.sign() * x_TD.abs().log1p()
    return normalised(step_means(x_TD, config.frames))


def _extractor(config: OpenSmile.Config) -> Any:
    try:
        import opensmile
    except (ImportError, OSError) as error:  # OSError: its shared library cannot be loaded
        raise RequestError(
            f"encoder opensmile needs the package opensmile, which cannot be imported ({error}); "
            "pip install 'merbench-encoders[opensmile]', or take the encoder log-mel"
        ) from None
    levels = opensmile.FeatureLevel
    functionals = config.level == "functionals"
    return opensmile.Smile(
        feature_set=opensmile.FeatureSet[config.features],
        feature_level=levels.Functionals if functionals else levels.LowLevelDescriptors,
    )
