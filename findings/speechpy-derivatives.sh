#!/usr/bin/env bash
# SpeechPy's temporal derivatives subtract nothing and do not look along time.
#
# Versions:  speechpy 2.4, numpy 1.26.4 (2 no longer has the `np.lib.pad` that it calls; for Python
#            3.11 or 3.12), scipy 1.15.3.
# Guess:     `extract_derivative_feature`, "temporal derivative features", gives each MFCC of each
#            frame its delta and the delta of that, differences of the frames around it: 0 where a
#            sound does not change, the slope where a coefficient rises.
# Behaviour: the delta of coefficient c is (x[c + 1] + 2 x[c + 2]) / 10 of the same frame, the last
#            coefficient repeated where there is none; the second delta is the same of the first. So
#            they hold nothing that the static features beside them lack. Features that stay at 7
#            have deltas of 2.1; features that rise from 1 to 6, by 1 a frame, have .3, .6, ...,
#            1.8; a buzz with the same MFCCs in all frames has deltas of up to 5.2; and each frame
#            keeps its deltas where the frames of a sound are shuffled.
# Source:    speechpy, processing.py, derivative_extraction: the pad and the offsets are along
#            axis 1, where coefficients are, and the line that begins with `- FEAT[` is a statement
#            of its own, without effect.
#
# PYTHON=/path/to/python uses what is installed there, where the versions are the same.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
if [ -z "${PYTHON:-}" ]; then
    python3 -m venv "$folder/venv"
    PYTHON=$folder/venv/bin/python
    "$PYTHON" -m pip install --quiet speechpy==2.4 numpy==1.26.4 scipy==1.15.3
fi
cd "$folder"
"$PYTHON" - <<'END'
import sys
from importlib.metadata import distributions

pins = {"speechpy": "2.4", "numpy": "1.26.4", "scipy": "1.15.3"}
installed = {p.name.lower(): p.version.partition("+")[0] for p in distributions()}
others = {name: installed.get(name) for name in pins if installed.get(name) != pins[name]}
if others:
    print(f"made for {pins}; installed are {others}", file=sys.stderr)
    sys.exit(2)
END
"$PYTHON" - <<'END'
import sys

import numpy as np
from speechpy.feature import extract_derivative_feature, mfcc


def sums_of_neighbours(x):
    """Return (x[c + 1] + 2 x[c + 2]) / 10 for each coefficient c of each frame."""
    padded = np.pad(x, ((0, 0), (0, 2)), "edge")
    return (padded[:, 1:-1] + 2 * padded[:, 2:]) / 10


def deltas(x):
    return extract_derivative_feature(x)[..., 1]


rng = np.random.default_rng(0)
buzz = np.tile(rng.normal(size=160), 100)  # a period is a step of 10 ms: each frame is the same
noise = rng.normal(size=16000) * np.linspace(0, 1, 16000)
steady, changing = mfcc(buzz, 16000), mfcc(noise, 16000)
still, rising = np.full((6, 13), 7.0), np.arange(1.0, 7.0)[:, None].repeat(13, axis=1)
order = rng.permutation(len(changing))
cube = extract_derivative_feature(changing)

print(f"features that stay at 7: deltas {np.unique(deltas(still).round(9))}")
print(f"features that rise from 1 to 6: deltas {deltas(rising)[:, 0].round(9)}")
spread, largest = np.ptp(steady, axis=0).max(), np.abs(deltas(steady)).max()
print(f"buzz: MFCCs differ by {spread:.0e} over time, deltas are up to {largest:.2f}")
stays = np.array_equal(deltas(changing[order]), cube[order, :, 1])
print(f"noise: shuffled frames keep their deltas: {stays}")
first, second = sums_of_neighbours(changing), sums_of_neighbours(sums_of_neighbours(changing))
of_frame_alone = np.allclose(cube[..., 1], first) and np.allclose(cube[..., 2], second)
print(f"both deltas are weighted sums of the frame's own next coefficients: {of_frame_alone}")
sys.exit(
    0
    if np.allclose(deltas(still), 2.1)
    and np.allclose(deltas(rising), 0.3 * rising)
    and spread < 1e-6
    and round(largest, 1) == 5.2
    and stays
    and of_frame_alone
    else 1
)
END
