#!/usr/bin/env bash
# The CMU-MultimodalSDK keeps a video that one sequence lacks, where another video's id begins
# alike.
#
# Versions:  cmu-multimodal-sdk 0.0.6 (a copy of the SDK on the index), h5py 3.16.0, numpy 2.4.6,
#            torch 2.15.0 (CPU), which it imports.
# Guess:     `unify` removes every video that is not in all sequences, so that `align`, which calls
#            it first, finds each video of its reference in the others.
# Behaviour: ids are compared by their beginnings. CMU-MOSEI's folds name 25522 and 255224: where
#            audio lacks 25522 and has 255224, `unify` removes neither, and `align` ends with
#            KeyError '25522'. A third video that audio lacks is removed.
# Source:    CMU-MultimodalSDK, mmdatasdk/dataset/dataset.py, __unify_dataset: an id is there if a
#            key of the sequence begins with it; dataset/standard_datasets/CMU_MOSEI.
#
# PYTHON=/path/to/python uses what is installed there, where the versions are the same.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
if [ -z "${PYTHON:-}" ]; then
    python3 -m venv "$folder/venv"
    PYTHON=$folder/venv/bin/python
    "$PYTHON" -m pip install --quiet cmu-multimodal-sdk==0.0.6 torch==2.15.0 numpy==2.4.6 \
        h5py==3.16.0
fi
cd "$folder"
"$PYTHON" - <<'END'
import sys
from importlib.metadata import distributions

pins = {"cmu-multimodal-sdk": "0.0.6", "h5py": "3.16.0", "numpy": "2.4.6"}
installed = {p.name.lower(): p.version.partition("+")[0] for p in distributions()}
others = {name: installed.get(name) for name in pins if installed.get(name) != pins[name]}
if others:
    print(f"made for {pins}; installed are {others}", file=sys.stderr)
    sys.exit(2)
END
"$PYTHON" -W ignore - > log.txt 2>&1 <<'END' || { status=$?; cat log.txt; exit "$status"; }
import sys

import h5py
import numpy as np
from mmsdk.mmdatasdk import cmu_mosei, mmdataset

SHORT, LONG, OTHER = "25522", "255224", "another"


def save(name, videos):
    """A sequence of two steps a video."""
    with h5py.File(f"{name}.csd", "w") as file:
        root = file.create_group(name)
        for video in videos:
            group = root.create_group(f"data/{video}")
            group["intervals"] = np.array([[0.0, 1.0], [1.0, 2.0]])
            group["features"] = np.ones((2, 3))
        text = h5py.string_dtype()
        root.create_dataset("metadata/root name", data=[name], dtype=text)


def dataset():
    return mmdataset({name: f"{name}.csd" for name in ("words", "audio")})


folds = cmu_mosei.standard_folds
known = {*folds.standard_train_fold, *folds.standard_valid_fold, *folds.standard_test_fold}
both_real = {SHORT, LONG} <= known
save("words", [SHORT, LONG, OTHER])
save("audio", [LONG])
unified = dataset()
unified.unify()
kept = sorted(unified["words"].data)
try:
    dataset().align("words")
    end = "no error"
except KeyError as error:
    end = repr(error)
with open("seen.txt", "w") as file:
    file.write(f"both are videos of CMU-MOSEI: {both_real}\n")
    file.write(f"videos of audio: {[LONG]}\nvideos of words after unify: {kept}\nalign: {end}\n")
sys.exit(0 if both_real and kept == [SHORT, LONG] and SHORT in end else 1)
END
cat seen.txt
