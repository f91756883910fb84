#!/usr/bin/env bash
# SEW's hidden_states have fewer frames than its last_hidden_state.
#
# Versions:  transformers 5.24.0, torch 2.14.1 (CPU), numpy 2.4.6.
# Guess:     every hidden state of a speech encoder has the frames of its output, as wav2vec 2.0's
#            have: the documentation of `hidden_states` (BaseModelOutput) gives each the shape
#            (batch_size, sequence_length, hidden_size), as it does for `last_hidden_state`.
# Behaviour: SEW and SEW-D run their layers on frames squeezed by `squeeze_factor` (2 by default)
#            and restore the length after the last layer, outside of `hidden_states`. A feature of
#            a middle layer has one frame where a mask, or times, made for the output have two.
#            200 frames: hidden_states of 100 (factor 2) and 50 (factor 4).
# Source:    transformers, models/sew/modeling_sew.py: SEWEncoder.forward pools before its layers
#            and calls `upsample` after them; models/sew_d/modeling_sew_d.py likewise.
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

import torch
from transformers import SEWConfig, SEWDConfig, SEWDModel, SEWModel, Wav2Vec2Config, Wav2Vec2Model

small = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 64,
    "conv_dim": (16, 16, 16),
    "conv_kernel": (10, 3, 3),
    "conv_stride": (5, 4, 4),
    "num_conv_pos_embeddings": 16,
    "num_conv_pos_embedding_groups": 2,
}
families = [
    ("wav2vec 2.0", Wav2Vec2Model, Wav2Vec2Config, 1),
    ("SEW", SEWModel, SEWConfig, 2),
    ("SEW", SEWModel, SEWConfig, 4),
    ("SEW-D", SEWDModel, SEWDConfig, 2),
]
torch.manual_seed(0)
as_stated = True
for name, model, config, factor in families:
    squeeze = {} if factor == 1 else {"squeeze_factor": factor}
    net = model(config(**small, **squeeze)).eval()
    with torch.no_grad():
        out = net(torch.randn(1, 16_000), output_hidden_states=True)
    n_frames = out.last_hidden_state.shape[1]
    inside = [state.shape[1] for state in out.hidden_states]
    print(f"{name}, squeeze factor {factor}: output {n_frames} frames, hidden_states {inside}")
    as_stated &= n_frames == 200 and inside == [200 // factor] * 3
sys.exit(0 if as_stated else "not as stated")
END
