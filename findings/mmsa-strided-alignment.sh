#!/usr/bin/env bash
# MMSA's alignment by average pooling averages steps that lie 50 apart, not neighbours.
#
# Versions:  MMSA 2.2.1, torch 2.15.0 (CPU), transformers 5.24.0, numpy 2.4.6.
# Guess:     where audio has 500 steps and text 50, `need_model_aligned` (MFN, EF-LSTM, Graph-MFN,
#            MFM and MAG-BERT have it) gives step k of the text the mean of the ten audio steps at
#            the same time, 10 k to 10 k + 9.
# Behaviour: it gives the mean of the steps k, k + 50, k + 100, ..., k + 450, so that every aligned
#            step is spread over the whole utterance and order in time is all but lost: a stream
#            that rises from 0 to 1 comes out between .45 and .55. Where the number of steps is no
#            multiple of the text's (375), the last step, often padding, is repeated to fill up.
# Source:    MMSA, models/subNets/AlignNets.py, AlignSubNet.__avg_pool: steps are viewed as
#            [rows, pool_size, dst_len, width] and averaged over dim=1; [rows, dst_len, pool_size,
#            width] over dim=2 would average neighbours.
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
import sys
from types import SimpleNamespace

import torch
from MMSA.models.subNets import AlignSubNet

settings = SimpleNamespace(feature_dims=(768, 5, 20), seq_lens=(50, 500, 375))
align = AlignSubNet(settings, "avg_pool")
text = torch.zeros(1, 50, 768)
rising = torch.linspace(0, 1, 500)[None, :, None]
_, audio, _ = align(text, rising.expand(1, 500, 5), torch.zeros(1, 375, 20))
aligned = audio[0, :, 0]
of_neighbours = rising.view(50, 10).mean(1)
print(f"a stream that rises from 0 to 1, aligned: {aligned[0]:.3f} to {aligned[-1]:.3f}")
print(f"means of neighbours: {of_neighbours[0]:.3f} to {of_neighbours[-1]:.3f}")
strided = torch.allclose(aligned, rising.view(10, 50).mean(0), atol=1e-6)
sys.exit(0 if strided and not torch.allclose(aligned, of_neighbours, atol=0.1) else 1)
END
