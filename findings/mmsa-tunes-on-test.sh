#!/usr/bin/env bash
# MMSA's tuning mode scores each setting that it tries on the test rows.
#
# Versions:  MMSA 2.2.1, torch 2.15.0 (CPU), transformers 5.24.0, numpy 2.4.6.
# Guess:     `MMSA_run(..., is_tune=True)` writes how good each setting that it drew is on the
#            validation rows, so that one may choose among them.
# Behaviour: what it writes are scores on the test rows. With other labels for the test rows alone,
#            the same settings and seed give another MAE; with other labels for the validation rows
#            alone it stays (a trial ends after a set number of epochs here, so that those
#            labels cannot choose the epoch). The best line of the table is the one that suits the
#            test rows.
# Source:    MMSA, run.py, _run: under `elif is_tune:` stand a comment, "use valid set to tune hyper
#            parameters", the call with dataloader['valid'], which is commented out, and the call
#            with dataloader['test'].
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
import pandas as pd
import torch

# MMSA asks for it on every machine, and torch refuses it without a graphics card.
torch.cuda.set_device = lambda device: None

from MMSA import MMSA_run

SETTINGS = {
    "hidden_dims": [8, 8, 8],
    "text_out": 8,
    "post_fusion_dim": 8,
    "dropouts": [0.0, 0.0, 0.0, 0.0],
    "batch_size": 16,
    "learning_rate": 0.001,
    "weight_decay": 0.0,
    "early_stop": 0,  # one epoch
    "KeyEval": "Loss",
}


def made_up(other_labels):
    """A pickle in MMSA's form; the rows of `other_labels` have labels of the other sign."""
    rng = np.random.default_rng(0)
    data = {}
    for mode, rows in {"train": 64, "valid": 32, "test": 32}.items():
        labels = rng.uniform(1, 3, rows).astype(np.float32)
        data[mode] = {
            "text": rng.normal(size=(rows, 6, 8)).astype(np.float32),
            "audio": rng.normal(size=(rows, 6, 5)).astype(np.float32),
            "vision": rng.normal(size=(rows, 6, 4)).astype(np.float32),
            "audio_lengths": [6] * rows,
            "vision_lengths": [6] * rows,
            "raw_text": np.array(["a word"] * rows),
            "id": np.array([f"{mode}$_${row}" for row in range(rows)]),
            "regression_labels": -labels if mode == other_labels else labels,
        }
    return data


def tuned(other_labels):
    """The MAE that a search of one trial writes."""
    path = f"{other_labels}.pkl"
    with open(path, "wb") as file:
        pickle.dump(made_up(other_labels), file)
    MMSA_run(
        "lf_dnn",
        "mosi",
        config={"featurePath": path, **SETTINGS},
        seeds=[1],
        is_tune=True,
        tune_times=1,
        num_workers=0,
        model_save_dir=f"{other_labels}-models",
        res_save_dir=f"{other_labels}-results",
        log_dir=f"{other_labels}-logs",
        verbose_level=0,
    )
    return pd.read_csv(f"{other_labels}-results/tune/mosi-lf_dnn.csv")["MAE"].item()


as_made, other_valid, other_test = tuned("none"), tuned("valid"), tuned("test")
print(f"MAE that tuning writes: {as_made:.4f}")
print(f"with other labels of the validation rows alone: {other_valid:.4f}")
print(f"with other labels of the test rows alone: {other_test:.4f}")
sys.exit(0 if other_valid == as_made and abs(other_test - as_made) > 0.1 else 1)
END
