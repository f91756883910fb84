#!/usr/bin/env bash
# openSMILE hears a sample of exactly 1.0 as -1.0: full scale wraps around.
#
# Versions:  opensmile 2.6.0, numpy 2.4.6.
# Guess:     float waves in [-1, 1], both ends included, are read as they are; 1.0 differs from
#            32767/32768 by 1/32768.
# Behaviour: a tone with one sample of 1.0 in it has the loudness (eGeMAPSv02 frames) of a tone with
#            -1.0 there, to the last bit, and not that of one with 32767/32768 (differs by up to
#            0.015). Clipped recordings, and waves brought to a peak of 1, hold such samples; waves
#            kept at most at 32767/32768 are safe.
# Source:    opensmile, core/smile.py: the wave is multiplied by 32768 and cast to int16, whose
#            largest value is 32767.
#
# PYTHON=/path/to/python uses what is installed there, where the versions are the same.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
if [ -z "${PYTHON:-}" ]; then
    python3 -m venv "$folder/venv"
    PYTHON=$folder/venv/bin/python
    "$PYTHON" -m pip install --quiet opensmile==2.6.0 numpy==2.4.6
fi
cd "$folder"
"$PYTHON" - <<'END'
import sys
from importlib.metadata import distributions

pins = {"opensmile": "2.6.0", "numpy": "2.4.6"}
installed = {package.name: package.version.partition("+")[0] for package in distributions()}
others = {name: installed.get(name) for name in pins if installed.get(name) != pins[name]}
if others:
    print(f"made for {pins}; installed are {others}", file=sys.stderr)
    sys.exit(2)
END
"$PYTHON" - <<'END'
import sys

import numpy as np
import opensmile

RATE = 16_000
frames = opensmile.Smile(
    feature_set=opensmile.FeatureSet.eGeMAPSv02,
    feature_level=opensmile.FeatureLevel.LowLevelDescriptors,
)
tone = (0.5 * np.sin(2 * np.pi * 200 * np.arange(RATE) / RATE)).astype(np.float32)


def loudness(sample):
    """Of each frame, with this sample in the middle of the tone."""
    wave = tone.copy()
    wave[RATE // 2] = sample
    return frames.process_signal(wave, RATE)["Loudness_sma3"].to_numpy()


full, below, negative = loudness(1.0), loudness(32767 / 32768), loudness(-1.0)
to_below, to_negative = float(abs(full - below).max()), float(abs(full - negative).max())
print(f"loudness with 1.0 against 32767/32768: differs by up to {to_below:.3g}")
print(f"loudness with 1.0 against -1.0: differs by up to {to_negative:.3g}")
sys.exit(0 if to_below > 0.01 and to_negative == 0 else "not as stated")
END
