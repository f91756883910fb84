#!/usr/bin/env bash
# TorchEEG's band power of a chunk of EEG is that of its first second, however long the chunk is.
#
# Versions:  torcheeg 1.1.3, numpy 2.4.6, scipy 1.17.1.
# Guess:     `BandPowerSpectralDensity` and `BandDifferentialEntropyV1` describe the whole chunk
#            that they are given, as `BandDifferentialEntropy` does, in the bands of `band_dict`.
#            With `num_window`, "Welch's method", they give the mean over windows: a number a band,
#            as the documentation of their result says.
# Behaviour: the chunk is weighted with a Hann window of its own length, and the transform then
#            takes `fft_n` points of it, by default the sampling rate: the first second, under the
#            rising part of the window. Two seconds with 10 Hz in the second one alone have the
#            numbers of noise; those with 10 Hz throughout have the numbers of those that lose it
#            after one second, to the last bit. `BandDifferentialEntropy` tells all four apart. For
#            two seconds one has to set fft_n=256. `num_window=2` gives two numbers a band, side by
#            side, with no mean. Each band also begins one bin below its frequency: a tone at 7 Hz
#            gives alpha (8 to 14 Hz) .83 of what one at 8 Hz gives, and one at 14 Hz .17.
# Source:    torcheeg, transforms/numpy/band.py: `np.fft.fft(hdata, n=self.fft_n)`, which cuts
#            what is longer; `start_index - 1 : end_index`; `band_list` of all windows is stacked.
# The module of these transforms is read alone: the import of the whole of TorchEEG asks for torch
# and mne, which they do not use.
#
# PYTHON=/path/to/python uses what is installed there, where the versions are the same.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
if [ -z "${PYTHON:-}" ]; then
    python3 -m venv "$folder/venv"
    PYTHON=$folder/venv/bin/python
    "$PYTHON" -m pip install --quiet numpy==2.4.6 scipy==1.17.1
    "$PYTHON" -m pip install --quiet --no-deps torcheeg==1.1.3 # it asks for an older scipy
fi
cd "$folder"
"$PYTHON" - <<'END'
import sys
from importlib.metadata import distributions

pins = {"torcheeg": "1.1.3", "numpy": "2.4.6", "scipy": "1.17.1"}
installed = {p.name.lower(): p.version.partition("+")[0] for p in distributions()}
others = {name: installed.get(name) for name in pins if installed.get(name) != pins[name]}
if others:
    print(f"made for {pins}; installed are {others}", file=sys.stderr)
    sys.exit(2)
END
"$PYTHON" - <<'END'
import sys
from importlib.metadata import distribution
from types import ModuleType

import numpy as np

for name in ("torcheeg", "torcheeg.transforms", "torcheeg.transforms.numpy"):
    package = sys.modules[name] = ModuleType(name)
    package.__path__ = [str(distribution("torcheeg").locate_file(name.replace(".", "/")))]
from torcheeg.transforms.numpy.band import (
    BandDifferentialEntropy,
    BandDifferentialEntropyV1,
    BandPowerSpectralDensity,
)

RATE, ALPHA = 128, 1  # the transforms' own rate; theta, alpha, beta, gamma
seconds = np.arange(2 * RATE) / RATE
noise = 0.1 * np.random.default_rng(0).normal(size=2 * RATE)
CHUNKS = {
    "noise": np.zeros(2 * RATE),
    "10 Hz in the 1st second": seconds < 1,
    "10 Hz in the 2nd second": seconds >= 1,
    "10 Hz in both": np.ones(2 * RATE),
}


def tone(frequency):
    return np.sin(2 * np.pi * frequency * seconds)


def alpha(transform, chunk):
    return transform(eeg=chunk[None])["eeg"][0, ALPHA]


def equal(transform, left, right):
    return np.array_equal(*(transform(eeg=chunks[name][None])["eeg"] for name in (left, right)))


chunks = {name: noise + heard * tone(10) for name, heard in CHUNKS.items()}
power, entropy, filtered = (
    BandPowerSpectralDensity(),
    BandDifferentialEntropyV1(),
    BandDifferentialEntropy(),
)
whole = BandPowerSpectralDensity(fft_n=2 * RATE)
for name, chunk in chunks.items():
    print(
        f"{name}: alpha power {alpha(power, chunk):.2f}, DE V1 {alpha(entropy, chunk):.2f}, "
        f"DE {alpha(filtered, chunk):.2f}; power with fft_n=256 {alpha(whole, chunk):.2f}"
    )
first, second, both = list(chunks)[1:]
deaf = all(
    equal(transform, "noise", second) and equal(transform, first, both)
    for transform in (power, entropy)
)
hears = not any(
    equal(transform, *pair)
    for transform in (filtered, whole)
    for pair in (("noise", second), (first, both))
)
print(f"the second second changes no number: {deaf}; of the others all: {hears}")
wide = BandPowerSpectralDensity(num_window=2)(eeg=chunks[both][None])["eeg"].shape
print(f"num_window=2: numbers of a channel in four bands: {wide[1]}")
edges = {hertz: alpha(power, tone(hertz)[:RATE]) for hertz in (7, 8, 14)}
shares = {hertz: round(float(edges[hertz] / edges[8]), 2) for hertz in edges}
print(f"alpha power of tones of one second, as shares of that of 8 Hz: {shares}")
sys.exit(0 if deaf and hears and wide == (1, 8) and shares == {7: 0.83, 8: 1.0, 14: 0.17} else 1)
END
