"""Waveforms of clips, and the towers that hear them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from merbench.api import ClipRows, Decoded, TextRows, read_wave
from merbench_encoders.tower import Tower


class Waves(NamedTuple):
    """``wave_BS`` float [B, S], mono in [-1, 1] at the encoder's ``sampling_rate``; ``length_B``
    real samples a row, 0 = missing.
    """

    wave_BS: Tensor
    length_B: Tensor


class WaveTower(Tower):
    """Clips -> Waves at ``sampling_rate`` (Hz), which whoever derives from it sets."""

    sampling_rate: int

    def prepare(self, rows: TextRows) -> ClipRows:
        """Clips are decoded as batches ask for them."""
        clips = ClipRows(rows, self.read, _together)
        self.measured = clips.measured
        return clips

    def read(self, path: str) -> Decoded:
        """A clip's sound, float [S]."""
        found = read_wave(path, self.sampling_rate)
        return found._replace(values=torch.from_numpy(found.values))


def _together(waves: Sequence[Tensor | None]) -> Waves:
    none = torch.zeros(0)
    there = [none if wave is None else wave for wave in waves]
    return Waves(pad_sequence(there, batch_first=True), torch.tensor([len(wave) for wave in there]))
