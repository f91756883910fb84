#!/usr/bin/env bash
# pyAudioAnalysis places its MFCCs' filters an octave too low: they hear nothing above 3.4 kHz.
#
# Versions:  pyAudioAnalysis 0.3.14, numpy 2.4.6, scipy 1.17.1.
# Guess:     its 13 MFCCs come from 40 triangular filters between 133 Hz and 6.9 kHz, the
#            frequencies that `mfcc_filter_banks` gives back beside the filters, so that fricatives
#            and breath (4 to 7 kHz) are heard at 16 kHz.
# Behaviour: each filter lies at half of its stated frequency, from 67 Hz to 3.4 kHz, at every
#            sampling rate. A loud tone of 3.5, 5 or 7 kHz added to noise leaves MFCCs 2 to 13 as
#            they are, up to rounding (the first follows the gain, for each signal is brought to a
#            peak of 1 before); one of 500 Hz moves them by .4, one of 3 kHz by .2. So wideband
#            recordings have MFCCs of telephone speech, which are not comparable with those of other
#            tools. The spectral centroid beside them has the right frequencies.
# Source:    pyAudioAnalysis, ShortTermFeatures.py: feature_extraction keeps the lower half of a
#            frame's spectrum, num_fft = window / 2 bins up to half of the sampling rate, and
#            mfcc_filter_banks spreads num_fft bins over the whole of it (`nfreqs`).
#
# PYTHON=/path/to/python uses what is installed there, where the versions are the same.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
if [ -z "${PYTHON:-}" ]; then
    python3 -m venv "$folder/venv"
    PYTHON=$folder/venv/bin/python
    "$PYTHON" -m pip install --quiet numpy==2.4.6 scipy==1.17.1 matplotlib tqdm
    "$PYTHON" -m pip install --quiet --no-deps pyAudioAnalysis==0.3.14 # its pins need Python 3.9
fi
cd "$folder"
"$PYTHON" - <<'END'
import sys
from importlib.metadata import distributions

pins = {"pyaudioanalysis": "0.3.14", "numpy": "2.4.6", "scipy": "1.17.1"}
installed = {p.name.lower(): p.version.partition("+")[0] for p in distributions()}
others = {name: installed.get(name) for name in pins if installed.get(name) != pins[name]}
if others:
    print(f"made for {pins}; installed are {others}", file=sys.stderr)
    sys.exit(2)
END
"$PYTHON" -W ignore - <<'END'
import sys

import numpy as np
from pyAudioAnalysis import ShortTermFeatures

as_stated = True
for rate in (16_000, 44_100):
    window = rate // 20
    filters, edges = ShortTermFeatures.mfcc_filter_banks(rate, window // 2)
    bins = np.arange(window // 2) * rate / window  # Hz, of the spectrum that the filters are given
    heard = bins[filters.sum(axis=0) > 0]
    print(f"{rate} Hz: stated {edges[0]:.0f} to {edges[-1]:.0f} Hz, heard", end=" ")
    print(f"{heard[0]:.0f} to {heard[-1]:.0f} Hz")
    as_stated &= edges[-1] > 6_800 and heard[-1] < 3_430

RATE, WINDOW = 16_000, 800
time = np.arange(RATE) / RATE
noise = np.random.default_rng(0).normal(0, 1_000, RATE)


def features(signal):
    """Of each frame: the spectral centroid in Hz, and the MFCCs [13, frames]."""
    values, names = ShortTermFeatures.feature_extraction(signal, RATE, WINDOW, WINDOW, deltas=False)
    first = names.index("mfcc_1")
    return values[names.index("spectral_centroid")] * RATE / 2, values[first : first + 13]


centroid, plain = features(noise)
print(f"noise: centroid {centroid.mean():.0f} Hz")
for frequency in (500, 3_000, 3_500, 5_000, 7_000):
    centroid, mfcc = features(noise + 3_000 * np.sin(2 * np.pi * frequency * time))
    moved = np.abs(mfcc - plain)[1:].max()
    print(f"with a tone of {frequency} Hz: centroid {centroid.mean():.0f} Hz", end=", ")
    print(f"MFCCs 2 to 13 move by up to {moved:.2g}")
    as_stated &= bool(moved > 0.1 if frequency <= 3_000 else moved < 1e-9)
sys.exit(0 if as_stated else 1)
END
