"""The sound of a video or audio file, as one channel."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, groupby
from typing import Any

import numpy as np

from merbench.api.media.decoded import Decoded
from merbench.api.media.track import Track

_SIDE = 0.5**0.5 / 2
DOWNMIX = {
    **dict.fromkeys(("FL", "FR", "FLC", "FRC", "DL", "DR"), 0.5),
    **dict.fromkeys(("FC", "BC"), 0.5**0.5),
    **dict.fromkeys(("SL", "SR", "BL", "BR", "WL", "WR"), _SIDE),
    **dict.fromkeys(("TFL", "TFR", "TBL", "TBR", "TSL", "TSR", "BFL", "BFR"), _SIDE),
    **dict.fromkeys(("TC", "TFC", "TBC", "BFC"), 0.5),
    "LFE": 0.0,
    "LFE2": 0.0,
    "AMBI0": 1.0,
    **dict.fromkeys((f"AMBI{k}" for k in range(1, 16)), 0.0),
}
"""What a channel adds to one: the mean of the two of ITU-R BS.775-4, table 2 (a centre, a surround
at -3 dB; low-frequency effects are left out), those above and below as a surround of their side (a
pair of them for one in the middle). Of an ambisonic field the first channel is what a microphone
without a direction hears. The weights of a layout are made to sum to 1.
"""
USUAL = {
    6: ["FL", "FR", "FC", "LFE", "BL", "BR"],
    8: ["FL", "FR", "FC", "LFE", "BL", "BR", "SL", "SR"],
}
"""Places of channels that a file does not name (PCM in Matroska): 5.1 and 7.1."""


def read_wave(path: str, rate: int, longest: float | None = None) -> Decoded:
    """The first audio track as mono float32 [S] in [-1, 1] at ``rate`` samples a second.

    One or two channels: their mean; more, by their places (``DOWNMIX``). ``longest``: seconds that
    are kept at most; what comes after them is not decoded, and the note says so.
    """
    most = None if longest is None else round(longest * rate)
    pieces = [np.zeros(0, np.float32)]
    with Track(path, "audio") as track:
        n_samples = 0
        for piece in _pieces(track, rate):
            pieces.append(piece)
            n_samples += len(piece)
            if most is not None and n_samples > most:
                break
    wave = np.concatenate(pieces)
    note = track.note(len(wave) > 0)
    if most is not None and len(wave) > most:
        wave = wave[:most]
        note = f"its sound is longer than {longest:g} s, and the rest is left out"
    return Decoded(np.nan_to_num(wave, posinf=1.0, neginf=-1.0).clip(-1, 1), note)


def _pieces(track: Track, rate: int) -> Iterator[np.ndarray]:
    """Mono pieces [s] at ``rate``, one after the other."""
    # A track may change on the way (a recording of television), and a resampler takes frames of one
    # make.
    for _, run in groupby(
        track.frames(), lambda frame: (frame.format.name, frame.layout.name, frame.sample_rate)
    ):
        # Channels are kept here: where libswresample mixes them into floats, two equal ones become
        # louder.
        # Samples of all channels lie side by side: the planes of many channels PyAV counts wrongly.
        resampler = track.av.AudioResampler(format="flt", rate=rate)
        for frame in chain(run, [None]):  # None: what the filter still holds
            for piece in resampler.resample(frame):
                yield mono(_channels(piece), _places(piece))


def _channels(frame: Any) -> np.ndarray:
    """[C, S] of a frame whose samples lie side by side."""
    return np.ascontiguousarray(frame.to_ndarray().reshape(frame.samples, -1).T)


def _places(frame: Any) -> list[str]:
    names = [channel.name for channel in frame.layout.channels]
    return USUAL.get(len(names), names) if "NONE" in names else names


def mono(wave_CS: np.ndarray, channels: list[str]) -> np.ndarray:
    """[S]: channels by their places; the plain mean where there are two, or a place has no name."""
    weight_C = np.array([DOWNMIX.get(channel, np.nan) for channel in channels], np.float32)
    if len(wave_CS) <= 2 or not weight_C.sum() > 0:
        return np.asarray(wave_CS.mean(0))
    return np.asarray((weight_C / weight_C.sum()) @ wave_CS)
