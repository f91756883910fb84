#!/usr/bin/env bash
# In its default settings MMSA's MFN reads audio and video that do not change over time.
#
# Versions:  MMSA 2.2.1, torch 2.15.0 (CPU), transformers 5.24.0, numpy 2.4.6.
# Guess:     MFN, the Memory Fusion Network, whose attention compares one step's memories with the
#            next one's, reads the 50 aligned steps of each modality; MMSA says `need_data_aligned`
#            of it, and its file of aligned features has them.
# Behaviour: `need_normalized` is on too, and the loader then replaces audio and video by their mean
#            over all 50 steps, padding among them: an utterance of ten real steps has a fifth of
#            their mean. The alignment repeats this one step 50 times. Text alone moves. TFN, LMF
#            and LF-DNN, which read a vector an utterance, have the mean over padding as well.
# Source:    MMSA, config/config_regression.json, mfn, commonParams; data_loader.py,
#            MMDataset.__normalize, np.mean over the steps; models/subNets/AlignNets.py.
#
# PYTHON=/path/to/python uses what is installed there, where the versions are the same.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
if [ -z "${PYTHON:-}" ]; then
    python3 -m venv "$folder/venv"
    PYTHON=$folder/venv/bin/python
    "$PYTHON" -m pip install --quiet torch==2.15.0 transformers==5.24.0 numpy==2.4.6 \
        pandas scikit-learn tqdm easydict nvidia-ml-py3
    "$PYTHON" -m pip install --quiet --no-deps MMSA==2.2.1
fi
cd "$folder"
export TQDM_DISABLE=1
"$PYTHON" - <<'END'
import sys
from importlib.metadata import distributions

pins = {"mmsa": "2.2.1", "torch": "2.15.0", "transformers": "5.24.0", "numpy": "2.4.6"}
installed = {p.name.lower(): p.version.partition("+")[0] for p in distributions()}
others = {name: installed.get(name) for name in pins if installed.get(name) != pins[name]}
if others:
    print(f"made for {pins}; installed are {others}", file=sys.stderr)
    sys.exit(2)
END
"$PYTHON" - <<'END'
import pickle
import sys

import numpy as np
import torch
from MMSA import get_config_regression
from MMSA.data_loader import MMDataLoader
from MMSA.models.subNets import AlignSubNet

STEPS, REAL = 50, 10
rng = np.random.default_rng(0)
data = {}
for mode in ("train", "valid", "test"):
    streams = {
        name: rng.uniform(1, 2, (8, STEPS, width)).astype(np.float32)
        for name, width in {"text": 768, "audio": 5, "vision": 20}.items()
    }
    for stream in streams.values():
        stream[:, REAL:] = 0
    words = np.array(["a word"] * 8)
    ids = np.array([f"{mode}$_${row}" for row in range(8)])
    labels = np.zeros(8, np.float32)
    data[mode] = {**streams, "raw_text": words, "id": ids, "regression_labels": labels}
with open("aligned.pkl", "wb") as file:
    pickle.dump(data, file)

settings = get_config_regression("mfn", "mosi")
settings.update(featurePath="aligned.pkl", train_mode="regression", batch_size=8)
settings.update(custom_feature="", feature_T="", feature_A="", feature_V="")
batch = next(iter(MMDataLoader(settings, 0)["test"]))
align = AlignSubNet(settings, "avg_pool")
_, audio, _ = align(batch["text"], batch["audio"], batch["vision"])
given = torch.from_numpy(data["test"]["audio"])[batch["index"]]
forms = {"file": given, "loader": batch["audio"], "MFN": audio}
print(*(f"{reader} {tuple(stream.shape)}" for reader, stream in forms.items()), sep=", ")
spread = (audio - audio[:, :1]).abs().max().item()
print(f"largest difference between two steps that MFN reads: {spread:.1e}")
over_real_steps = given.sum(1) / REAL
share = (audio[:, 0] / over_real_steps).mean().item()
print(f"its value over the mean of the {REAL} real steps: {share:.2f}")
sys.exit(0 if spread < 1e-6 and abs(share - REAL / STEPS) < 1e-3 else 1)
END
