"""Speech for tests, by a formant synthesiser: pulses of the glottis through the resonances of a
vowel's vocal tract, and noise for consonants (Fant 1960; Klatt 1980).
"""

from __future__ import annotations

import numpy as np
from scipy.signal import lfilter

RATE = 16_000
FORMANTS = {
    "a": (730, 1090, 2440),
    "e": (530, 1840, 2480),
    "i": (270, 2290, 3010),
    "o": (570, 840, 2410),
    "u": (300, 870, 2240),
}
"""Hz, of men (Peterson & Barney 1952, table II)."""
VOWEL, CONSONANT, PAUSE = 0.12, 0.05, 0.06
"""Seconds."""


def say(text: str, pitch: float = 120.0, loudness: float = 0.5) -> np.ndarray:
    """[1, S] at RATE, peak ``loudness``: vowels voiced at ``pitch`` (Hz), which falls by a twentieth
    from the beginning to the end, other letters as noise, the rest as pauses.
    """
    draw = np.random.default_rng(len(text))
    sizes = [VOWEL if c in FORMANTS else CONSONANT if c.isalpha() else PAUSE for c in text]
    ends = np.cumsum(np.round(np.array(sizes) * RATE).astype(int))
    pitch_S = np.linspace(1.0, 0.95, ends[-1]) * pitch
    turns_S = np.cumsum(pitch_S / RATE)
    pulses_S = np.diff(np.floor(turns_S), prepend=0.0)
    # The glottis: 12 dB an octave less, of which the lips give back 6.
    voice_S = lfilter([1.0, -1.0], [1.0], lfilter([1.0], np.poly([0.97, 0.97]), pulses_S))
    wave_S = np.zeros(ends[-1])
    for letter, start, end in zip(text, [0, *ends[:-1]], ends, strict=True):
        if letter in FORMANTS:
            wave_S[start:end] = _tract(voice_S[start:end], FORMANTS[letter])
        elif letter.isalpha():
            wave_S[start:end] = lfilter([1.0, -0.95], [1.0], draw.normal(0, 0.1, end - start))
    return (loudness * wave_S / np.abs(wave_S).max())[None]


def _tract(source_S: np.ndarray, formants: tuple[int, ...]) -> np.ndarray:
    """Resonators one after another, each 80 Hz wide; its ends are faded for 10 ms."""
    for frequency in formants:
        pole = np.exp((-np.pi * 80 + 2j * np.pi * frequency) / RATE)
        denominator = np.poly([pole, pole.conjugate()]).real
        source_S = lfilter([denominator.sum()], denominator, source_S)
    fade_S = np.minimum(1.0, np.arange(len(source_S)) / (0.01 * RATE))
    return np.asarray(source_S * fade_S * fade_S[::-1])
