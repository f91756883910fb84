#!/usr/bin/env bash
# PyAV: a planar frame of 7.1 sound has nine planes, and the ninth is no sound.
#
# Versions:  av 18.1.0 (with FFmpeg 8), numpy 2.4.6.
# Guess:     `AudioFrame.planes` of a planar format (fltp, s16p) has one plane a channel.
# Behaviour: planes are counted up to the first empty pointer of FFmpeg's `extended_data`, which has
#            exactly one pointer a channel and no empty one behind them. Up to 7 channels the rest of
#            the frame's own 8 pointers is empty. Behind the 8 of 7.1 sound lies the frame's field
#            `linesize`, and its number is taken for an address: a ninth plane. With 9 or more
#            channels what is counted is whatever lies there in memory. `to_ndarray()` reads all of
#            these planes: a wrong array, or the end of the process. A packed format (flt, s16) has
#            one plane, and is right with any number of channels.
# Source:    PyAV, av/audio/frame.py: AudioFrame.planes and to_ndarray; FFmpeg, libavutil/frame.h:
#            AVFrame, `data`, `linesize`, `extended_data`.
# Planes are counted here, not read.
#
# PYTHON=/path/to/python uses what is installed there, where the versions are the same.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
if [ -z "${PYTHON:-}" ]; then
    python3 -m venv "$folder/venv"
    PYTHON=$folder/venv/bin/python
    "$PYTHON" -m pip install --quiet av==18.1.0 numpy==2.4.6
fi
cd "$folder"
"$PYTHON" - <<'END'
import sys
from importlib.metadata import distributions

pins = {"av": "18.1.0", "numpy": "2.4.6"}
installed = {package.name: package.version.partition("+")[0] for package in distributions()}
others = {name: installed.get(name) for name in pins if installed.get(name) != pins[name]}
if others:
    print(f"made for {pins}; installed are {others}", file=sys.stderr)
    sys.exit(2)
END
"$PYTHON" - <<'END'
import sys

import av
import numpy as np

as_stated = True
for layout in ("mono", "stereo", "5.1", "6.1", "7.1"):
    n_channels = av.AudioLayout(layout).nb_channels
    sound = np.zeros((1, 1000 * n_channels), np.float32)
    frame = av.AudioFrame.from_ndarray(sound, format="flt", layout=layout)
    frame.sample_rate = 16_000
    n_planes = {
        name: len(av.AudioResampler(format=name).resample(frame)[0].planes)
        for name in ("fltp", "flt")
    }
    print(f"{layout}: {n_channels} channels, {n_planes['fltp']} planes as fltp, "
          f"{n_planes['flt']} as flt")
    as_stated &= n_planes["flt"] == 1
    as_stated &= n_planes["fltp"] == (9 if layout == "7.1" else n_channels)
sys.exit(0 if as_stated else "not as stated")
END
