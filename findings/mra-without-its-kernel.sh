#!/usr/bin/env bash
# MRA without its CUDA kernel attends to nothing: its attention returns zeros, in silence.
#
# Versions:  torch 2.14.1 (CPU), transformers 5.24.0, numpy 2.4.6.
# Guess:     the states of a text encoder depend on the words around, on every device; where a
#            network needs a kernel that is not there, it says so or uses plain operations, as YOSO
#            and Mamba do.
# Behaviour: where the kernel could not be loaded (every machine without CUDA), `mra2_attention`
#            returns zeros of the shape of the queries. The model runs, no error is raised, and the
#            state of a piece depends on that piece and its place alone: another last word leaves
#            all states before it as they are, to the bit. BERT's change.
# Source:    transformers, models/mra/modeling_mra.py, mra2_attention: `if mra_cuda_kernel is None:
#            return torch.zeros_like(query).requires_grad_()`.
# Untrained models with small configurations; no weights are needed to see it.
#
# PYTHON=/path/to/python uses what is installed there, where the versions are the same.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
if [ -z "${PYTHON:-}" ]; then
    python3 -m venv "$folder/venv"
    PYTHON=$folder/venv/bin/python
    "$PYTHON" -m pip install --quiet torch==2.14.1 transformers==5.24.0 numpy==2.4.6
fi
cd "$folder"
"$PYTHON" - <<'END'
import sys
from importlib.metadata import distributions

pins = {"torch": "2.14.1", "transformers": "5.24.0", "numpy": "2.4.6"}
installed = {package.name: package.version.partition("+")[0] for package in distributions()}
others = {name: installed.get(name) for name in pins if installed.get(name) != pins[name]}
if others:
    print(f"made for {pins}; installed are {others}", file=sys.stderr)
    sys.exit(2)
END
"$PYTHON" - <<'END'
import sys
import warnings

import torch
from transformers import BertConfig, BertModel, MraConfig, MraModel, YosoConfig, YosoModel

warnings.simplefilter("error", UserWarning)
small = {
    "vocab_size": 50,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 64,
    "max_position_embeddings": 64,
}
first = torch.arange(2, 34)[None]
second = first.clone()
second[0, -1] = 40
changes = {}
for name, model, config in (
    ("BERT", BertModel, BertConfig),
    ("YOSO", YosoModel, YosoConfig),
    ("MRA", MraModel, MraConfig),
):
    torch.manual_seed(0)
    net = model(config(**small)).eval()
    with torch.no_grad():
        states = [net(input_ids=ids).last_hidden_state[0, :-1] for ids in (first, second)]
    changes[name] = (states[0] - states[1]).abs().max().item()
    print(f"{name}: another last piece changes the states before it by {changes[name]:.2g}")
as_stated = changes["MRA"] == 0 and min(changes["BERT"], changes["YOSO"]) > 1e-4
sys.exit(0 if as_stated else "not as stated")
END
