#!/usr/bin/env bash
# To emvoice a voice without noise has a harmonics-to-noise ratio of 7 dB at 100 Hz, 14 at 400.
#
# Versions:  emvoice 0.1.1, librosa 0.9.2, scipy 1.17.1, numpy 2.4.6, setuptools 80.9.0 (of which
#            this librosa needs pkg_resources).
# Guess:     `HnrFrames` says how far a frame's harmonics are above its noise, "via an algorithm by
#            Boersma (1993)", which divides the autocorrelation of a frame by that of its window: a
#            sound that repeats exactly is far above any voice, one with noise of a tenth of its
#            energy has 10 dB, at any pitch and length of frames.
# Behaviour: nothing is divided. The autocorrelation of N samples at a lag of T has N - T products,
#            so that the ratio of a sound that repeats exactly is (N - T) / T: at 16 kHz and 1024
#            samples, the length in its examples, 7.3 dB at 100 Hz, 10.7 at 200 and 13.9 at 400;
#            13.9 at 100 Hz with 4096 samples. Noise of a tenth of the energy makes 5.2, 7.2 and 8.4
#            of the first three, so that the high voice with noise is above the low one without. The
#            division gives 10 dB in all three. So an excited voice, which is higher, is less noisy
#            to it, and the same sound at another sampling rate, in frames of as many samples, has
#            another ratio.
# Source:    emvoice, energy.py, HnrFrames.from_frames: librosa.autocorrelate of the frames, its
#            highest peak over its value at 0. The quotation is from docs/algorithms.rst.
#
# PYTHON=/path/to/python uses what is installed there, where the versions are the same.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
if [ -z "${PYTHON:-}" ]; then
    python3 -m venv "$folder/venv"
    PYTHON=$folder/venv/bin/python
    "$PYTHON" -m pip install --quiet emvoice==0.1.1 librosa==0.9.2 scipy==1.17.1 numpy==2.4.6 \
        setuptools==80.9.0
fi
cd "$folder"
"$PYTHON" - <<'END'
import sys
from importlib.metadata import distributions

pins = {"emvoice": "0.1.1", "librosa": "0.9.2", "scipy": "1.17.1", "numpy": "2.4.6"}
installed = {p.name.lower(): p.version.partition("+")[0] for p in distributions()}
others = {name: installed.get(name) for name in pins if installed.get(name) != pins[name]}
if others:
    print(f"made for {pins}; installed are {others}", file=sys.stderr)
    sys.exit(2)
END
"$PYTHON" -W ignore - <<'END'
import sys

import numpy as np
from emvoice.energy import HnrFrames
from emvoice.frames import BaseFrames
from emvoice.signal import BaseSignal

RATE = 16_000
seconds = np.arange(2 * RATE) / RATE
noise = np.random.default_rng(0).standard_normal(len(seconds))


def voice(pitch):
    """Ten harmonics of falling strength, which repeat exactly, with an energy of 1 a sample."""
    waves = sum(np.sin(2 * np.pi * pitch * k * seconds + 0.3 * k) / k for k in range(1, 11))
    return waves / waves.std()


def frames_of(sound, length):
    return BaseFrames.from_signal(BaseSignal(sound, RATE), length, center=False)


def emvoice_hnr(sound, length):
    return np.median(HnrFrames.from_frames(frames_of(sound, length)).frames)


def divided_hnr(sound, length, period):
    """The same ratio at the known period, each lag divided by the number of its products."""
    ratios = []
    for frame in frames_of(sound, length).frames:
        at_period = np.mean(frame[period:] * frame[:-period]) / np.mean(frame**2)
        ratios.append(at_period / (1 - at_period))
    return 10 * np.log10(np.median(ratios))


as_stated = True
clean, noisy = {}, {}
for pitch in (100, 200, 400):
    period, sound = RATE // pitch, voice(pitch)
    with_noise = sound + np.sqrt(0.1) * noise
    for length in (1024, 4096):
        hnr = emvoice_hnr(sound, length)
        print(f"{pitch} Hz, {length} samples, no noise: {hnr:.1f} dB")
        as_stated &= abs(hnr - 10 * np.log10((length - period) / period)) < 0.1
        clean[pitch, length] = hnr
    noisy[pitch] = emvoice_hnr(with_noise, 1024)
    divided = divided_hnr(with_noise, 1024, period)
    print(f"{pitch} Hz, a tenth of noise: {noisy[pitch]:.1f} dB, with the division {divided:.1f}")
    as_stated &= abs(divided - 10) < 0.7
as_stated &= noisy[100] + 3 < noisy[400] and noisy[400] > clean[100, 1024]
sys.exit(0 if as_stated else 1)
END
