#!/usr/bin/env bash
# MMSA's MCTN reads the rows of a batch as the steps of a sequence.
#
# Versions:  MMSA 2.2.1, torch 2.15.0 (CPU), transformers 5.24.0, numpy 2.4.6.
# Guess:     in evaluation the prediction of a row is its own: the same alone, in a batch, and after
#            other rows.
# Behaviour: it depends on every row of its batch. The same row, in evaluation, without dropout, has
#            another score alone, behind other rows, and before them; validation and test batches
#            are shuffled, so a score is that of a draw.
# Source:    MMSA, models/singleTask/MCTN.py: LSTMs are made without batch_first, which take [steps,
#            rows, width], and MCTN.forward hands them [rows, steps, width] as the loader makes it
#            (data_loader.py). Seq2Seq.forward then reads `src.shape[1]`, 50 steps, as the batch
#            size. Beside it, trains/singleTask/MCTN.py stops an epoch on MOSEI after two batches:
#            `i_batch / len(dataloader) >= 0.5`, and `dataloader` is a dict of three.
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
from MMSA.models.singleTask import MCTN

torch.manual_seed(0)
settings = SimpleNamespace(hid_dim=32, output_dim=768, max_seq_len=50, use_bert=False)
model = MCTN(settings).eval()
for translation in (model.seq2seq1, model.seq2seq2):
    translation.device = "cpu"  # written into the model as "cuda"
rows = [torch.randn(6, 50, width) for width in (768, 5, 20)]


def scores(order):
    """Predictions for the rows of a batch in this order, by row."""
    with torch.no_grad():
        _, score = model(*(stream[order] for stream in rows), torch.zeros(len(order), 1), None)
    return dict(zip(order, score[:, 0].tolist()))


alone = scores([3])[3]
batches = {"last of six": [0, 1, 2, 4, 5, 3], "first of six": [3, 0, 1, 2, 4, 5]}
together = {name: scores(order)[3] for name, order in batches.items()}
print(f"score of row 3 alone: {alone:.4f}")
for name, score in together.items():
    print(f"score of row 3, {name}: {score:.4f}")
depends = all(abs(score - alone) > 1e-4 for score in together.values())
differs = abs(together["last of six"] - together["first of six"]) > 1e-4
sys.exit(0 if depends and differs else 1)
END
