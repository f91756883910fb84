#!/usr/bin/env bash
# py-feat's `downsample` to 10 Hz averages every 10 rows, whatever their rate, and says 10 Hz of it.
#
# Versions:  py-feat 2.1.5, torch 2.15.0 (CPU), pandas 3.1.1, numpy 2.4.6.
# Guess:     `Fex.downsample(target)`, "target sampling frequency in Hz", makes of ten seconds of
#            action units at 30 Hz a hundred rows at 10 Hz; `upsample(10)` beside it makes Hz.
# Behaviour: it makes 30 rows, means of ten frames each, which is 3 Hz, and sets `sampling_freq` to
#            10. Ten seconds have become three: a movement of .5 Hz is one of 1.7 Hz by that rate,
#            and filters and wavelets of the result, which use `sampling_freq`, work at other
#            frequencies than they are asked for. It is what was asked for only where the rate is
#            the target's square. `downsample(10, target_type="hz")` makes the hundred rows.
# Source:    py-feat, feat/data.py, Fex.downsample: `target` is passed on without `target_type`, and
#            feat/utils/stats.py, downsample, takes it for a number of samples.
#
# PYTHON=/path/to/python uses what is installed there, where the versions are the same.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
if [ -z "${PYTHON:-}" ]; then
    python3 -m venv "$folder/venv"
    PYTHON=$folder/venv/bin/python
    "$PYTHON" -m pip install --quiet py-feat==2.1.5 torch==2.15.0 pandas==3.1.1 \
        numpy==2.4.6
fi
cd "$folder"
"$PYTHON" - <<'END'
import sys
from importlib.metadata import distributions

pins = {"py-feat": "2.1.5", "torch": "2.15.0", "pandas": "3.1.1", "numpy": "2.4.6"}
installed = {p.name.lower(): p.version.partition("+")[0] for p in distributions()}
others = {name: installed.get(name) for name in pins if installed.get(name) != pins[name]}
if others:
    print(f"made for {pins}; installed are {others}", file=sys.stderr)
    sys.exit(2)
END
"$PYTHON" -W ignore - <<'END'
import sys

import numpy as np
from feat import Fex

RATE, TARGET, SECONDS, MOVEMENT = 30, 10, 10, 0.5
times = np.arange(SECONDS * RATE) / RATE
smile = np.sin(2 * np.pi * MOVEMENT * times)
video = Fex({"AU12": smile}, au_columns=["AU12"], sampling_freq=RATE)


def told(fex):
    """Rows, rate, and by that rate seconds and the frequency (Hz) of the strongest movement."""
    rate = fex.sampling_freq
    spectrum = np.abs(np.fft.rfft(fex["AU12"].to_numpy()))
    strongest = np.fft.rfftfreq(len(fex), 1 / rate)[spectrum.argmax()]
    return len(fex), rate, len(fex) / rate, round(float(strongest), 2)


rows = {
    "as made": told(video),
    f"downsample({TARGET})": told(video.downsample(TARGET)),
    f'downsample({TARGET}, target_type="hz")': told(video.downsample(TARGET, target_type="hz")),
    f"upsample({2 * RATE})": told(video.upsample(2 * RATE)),
}
for call, (n_rows, rate, seconds, strongest) in rows.items():
    print(f"{call}: {n_rows} rows at {rate} Hz, {seconds:g} s, smile moves at {strongest} Hz")
expected = [(300, 30, 10, 0.5), (30, 10, 3, 1.67), (100, 10, 10, 0.5), (600, 60, 10, 0.5)]
sys.exit(0 if list(rows.values()) == expected else 1)
END
