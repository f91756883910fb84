"""Waveforms of clips, as audio towers take them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from merbench.api import ClipRows, Decoded, TextRows, read_wave


class Waves(NamedTuple):
    """``wave_BS`` float [B, S], mono in [-1, 1] at the encoder's ``sampling_rate``; ``length_B`` real samples a row, 0 = missing."""

    wave_BS: Tensor
    length_B: Tensor


def wave_rows(rows: TextRows, sampling_rate: int) -> ClipRows:
    """The clips' audio tracks, decoded as batches of Waves ask for them."""

    def read(path: str) -> Decoded:
        found = read_wave(path, sampling_rate)
        return found._replace(values=torch.from_numpy(found.values))

    return ClipRows(rows, read, _together)


def _together(waves: Sequence[Tensor | None]) -> Waves:
    none = torch.zeros(0)
    there = [none if wave is None else wave for wave in waves]
    return Waves(pad_sequence(there, batch_first=True), torch.tensor([len(wave) for wave in there]))
