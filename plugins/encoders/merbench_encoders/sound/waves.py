"""Waveforms of clips, and the towers that hear them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, NamedTuple

import torch
from pydantic import Field
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from merbench.api import ClipRows, Config, Decoded, TextRows, read_wave
from merbench_encoders.tower import Tower

LEAST_STEPS = 2
"""Of one step ``normalised`` leaves zeros, whatever was heard."""
ONE_STEP = "its sound is one step, of which its own normalisation leaves nothing"


class Waves(NamedTuple):
    """``wave_BS`` float [B, S], mono in [-1, 1] at the encoder's ``sampling_rate``; ``length_B``
    real samples a row, 0 = missing.
    """

    wave_BS: Tensor
    length_B: Tensor


class LongestConfig(Config):
    """How much of a clip is heard."""

    longest: Annotated[float, Field(gt=0)] = 60.0
    """Seconds of a clip that are kept at most; clips that are longer are counted."""


class WaveTower(Tower):
    """Clips -> Waves at ``sampling_rate`` (Hz), ``longest`` seconds at most; who derives from it
    sets both. ``shortest``: samples of the shortest wave that it hears.
    """

    sampling_rate: int
    longest: float
    shortest = 1

    def prepare(self, rows: TextRows) -> ClipRows:
        """Clips are decoded as batches ask for them."""
        clips = read_waves(rows, self.sampling_rate, self.longest, self.shortest)
        self.measured = clips.measured
        return clips


def read_waves(rows: TextRows, rate: int, longest: float, shortest: int = 1) -> ClipRows:
    """Clips whose inputs are Waves at ``rate`` (Hz), ``longest`` seconds at most; a clip of fewer
    than ``shortest`` samples is missing, and says so.
    """

    def read(path: str) -> Decoded:
        decoded = read_wave(path, rate, longest)
        if len(decoded.values) < shortest:
            return too_short(decoded, shortest, rate)
        return decoded._replace(values=torch.from_numpy(decoded.values))

    return ClipRows(rows, read, side_by_side)


def too_short(decoded: Decoded, shortest: int, rate: int) -> Decoded:
    """Nothing, for a wave of fewer than ``shortest`` samples; ``note`` says why."""
    note = f"its sound is shorter than {1000 * shortest / rate:.4g} ms"
    return Decoded((), decoded.note or note)


def side_by_side(waves: Sequence[Tensor | None]) -> Waves:
    """One entry a row, None = missing."""
    rows = [torch.zeros(0) if wave is None else wave for wave in waves]
    return Waves(pad_sequence(rows, batch_first=True), torch.tensor([len(wave) for wave in rows]))


def step_means(x_TD: Tensor, frames: int) -> Tensor:
    """[max(1, T // frames), D]: means over runs of ``frames``; what is left goes into the last."""
    steps = max(1, len(x_TD) // frames)
    step_T = torch.arange(len(x_TD), device=x_TD.device).div(frames, rounding_mode="floor")
    step_T = step_T.clamp(max=steps - 1)
    count_L = torch.bincount(step_T, minlength=steps)
    return x_TD.new_zeros(steps, x_TD.shape[1]).index_add_(0, step_T, x_TD) / count_L[:, None]


def normalised(x_LD: Tensor) -> Tensor:
    """Less the clip's mean, over its deviation (at least .001), dimension by dimension."""
    centred_LD = x_LD - x_LD.mean(0)
    return centred_LD / centred_LD.square().mean(0).sqrt().clamp(min=1e-3)
