#!/usr/bin/env bash
# mne-features' Hjorth mobility and complexity of a signal with an offset are those of the offset.
#
# Versions:  mne-features 0.3.2, mne 1.13.2, scipy 1.17.1, numpy 2.4.6.
# Guess:     `compute_hjorth_mobility` is the standard deviation of a signal's differences over its
#            own, and `compute_hjorth_complexity` the mobility of the differences over that of the
#            signal; a constant that is added to a signal changes neither.
# Behaviour: a zero is put before the first sample, so that the first difference is the first value.
#            The further a signal is from zero, the closer its mobility is to 1 and its complexity
#            to the root of 2. Waves of 20 uV, of 2 and of 10 Hz, in noise, 10 s at 128 Hz, have
#            mobilities of .47 and .66 and complexities of 3.6 and 1.96; 10 mV up, an offset of
#            electrodes as raw EEG of DC amplifiers has it, both have 1.0 and 1.4. Skin conductance
#            that falls slowly, with one response of a quarter of a microsiemens, has .009 and 20;
#            at a level of 2 uS .50 and 2.8, at 5 uS .82 and 1.7: features of a person's level, not
#            of the form of the signal.
# Source:    mne-features, univariate.py, compute_hjorth_mobility and compute_hjorth_complexity:
#            `np.insert(data, 0, 0, axis=-1)`. Their documentation says "computed in the time
#            domain".
#
# PYTHON=/path/to/python uses what is installed there, where the versions are the same.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
if [ -z "${PYTHON:-}" ]; then
    python3 -m venv "$folder/venv"
    PYTHON=$folder/venv/bin/python
    "$PYTHON" -m pip install --quiet mne-features==0.3.2 mne==1.13.2 scipy==1.17.1 numpy==2.4.6
fi
cd "$folder"
"$PYTHON" - <<'END'
import sys
from importlib.metadata import distributions

pins = {"mne-features": "0.3.2", "mne": "1.13.2", "scipy": "1.17.1", "numpy": "2.4.6"}
installed = {
    p.name.lower().replace("_", "-"): p.version.partition("+")[0] for p in distributions()
}
others = {name: installed.get(name) for name in pins if installed.get(name) != pins[name]}
if others:
    print(f"made for {pins}; installed are {others}", file=sys.stderr)
    sys.exit(2)
END
"$PYTHON" -W ignore - <<'END'
import sys

import numpy as np
from mne_features.univariate import compute_hjorth_complexity, compute_hjorth_mobility

seconds = np.arange(1280) / 128
noise = np.random.default_rng(0).standard_normal((2, len(seconds)))
since = np.maximum(seconds - 3, 0)
SIGNALS = {  # what it is: the signal, offsets
    "2 Hz, uV": (20 * np.sin(2 * np.pi * 2 * seconds) + 5 * noise[0], (0, 10_000)),
    "10 Hz, uV": (20 * np.sin(2 * np.pi * 10 * seconds) + 5 * noise[1], (0, 10_000)),
    "skin conductance, uS": (
        0.5 * np.exp(-since / 3) * (1 - np.exp(-since / 0.7)) - 0.02 * seconds,
        (0, 2, 5),
    ),
}


def mobility(signal):
    return np.std(np.diff(signal), ddof=1) / np.std(signal, ddof=1)


def with_zero_before(signal):
    return np.concatenate([[0.0], signal])


as_stated = True
for name, (signal, offsets) in SIGNALS.items():
    own = mobility(signal), mobility(np.diff(signal)) / mobility(signal)
    print(f"{name}, by definition, with any offset: {own[0]:.3f}, {own[1]:.2f}")
    for offset in offsets:
        shifted = signal + offset
        given = (
            compute_hjorth_mobility(shifted[None])[0],
            compute_hjorth_complexity(shifted[None])[0],
        )
        print(f"    with {offset}: {given[0]:.3f}, {given[1]:.2f}")
        padded = with_zero_before(shifted)
        steps = with_zero_before(np.diff(padded))
        expected = mobility(padded), mobility(steps) / mobility(padded)
        as_stated &= np.allclose(given, expected, rtol=1e-6)
        as_stated &= np.allclose(given, own, rtol=1e-2) == (offset == 0)
sys.exit(0 if as_stated else 1)
END
