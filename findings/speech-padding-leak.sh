#!/usr/bin/env bash
# data2vec-audio and wav2vec2-conformer let padding into real frames in spite of `attention_mask`.
#
# Versions:  transformers 5.24.0, torch 2.14.1 (CPU), numpy 2.4.6.
# Guess:     with an `attention_mask`, a wave that shares a batch with a longer one keeps the frames
#            that it has alone. wav2vec 2.0 and HuBERT with feat_extract_norm="layer" keep them, up
#            to rounding.
# Behaviour: data2vec-audio's and the conformer's frames move, all of them, by more than their own
#            standard deviation in these untrained models. Padded frames are set to 0 once, before
#            the encoder; both then convolve over frames again: data2vec in 5 stacked positional
#            convolutions of which the first makes padding nonzero, the conformer in every layer,
#            between attentions that do the same. Attention takes it from the edge to every frame.
#            With one positional convolution, and with depthwise convolutions of width 1, nothing
#            moves: that is the whole cause. So features depend on who shares a batch.
# Source:    transformers, models/data2vec/modeling_data2vec_audio.py
#            (Data2VecAudioPositionalConvEmbedding, Data2VecAudioEncoder.forward) and
#            models/wav2vec2_conformer/modeling_wav2vec2_conformer.py
#            (Wav2Vec2ConformerConvolutionModule, which is given no mask). For data2vec-audio also
#            issue 25621 of huggingface/transformers; for torchaudio's Conformer, issue 4205 of
#            pytorch/audio.
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
from transformers import (
    Data2VecAudioConfig,
    Data2VecAudioModel,
    HubertConfig,
    HubertModel,
    Wav2Vec2Config,
    Wav2Vec2ConformerConfig,
    Wav2Vec2ConformerModel,
    Wav2Vec2Model,
)

small = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 64,
    "conv_dim": (16, 16, 16),
    "conv_kernel": (10, 3, 3),
    "conv_stride": (5, 4, 4),
    "num_conv_pos_embedding_groups": 2,
    "feat_extract_norm": "layer",
}
position = {"num_conv_pos_embeddings": 16}
single = {"num_conv_pos_embeddings": 1}  # data2vec counts layers by this name
narrow = {"conv_depthwise_kernel_size": 1}
families = [
    ("wav2vec 2.0", Wav2Vec2Model, Wav2Vec2Config, position, False),
    ("HuBERT", HubertModel, HubertConfig, position, False),
    ("data2vec-audio", Data2VecAudioModel, Data2VecAudioConfig, {}, True),
    ("data2vec-audio, 1 layer", Data2VecAudioModel, Data2VecAudioConfig, single, False),
    ("wav2vec2-conformer", Wav2Vec2ConformerModel, Wav2Vec2ConformerConfig, {}, True),
    ("wav2vec2-conformer, width 1", Wav2Vec2ConformerModel, Wav2Vec2ConformerConfig, narrow, False),
]
draw = torch.Generator().manual_seed(1)
wave = torch.randn(1, 8_000, generator=draw)
padded = torch.cat([wave, torch.zeros(1, 8_000)], 1)
real = (torch.arange(16_000) < 8_000).long()[None]
as_stated = True
for name, model, config, changes, leaks in families:
    torch.manual_seed(0)
    net = model(config(**small, **changes)).eval()
    with torch.no_grad():
        alone = net(wave).last_hidden_state
        beside = net(padded, attention_mask=real).last_hidden_state[:, : alone.shape[1]]
    moved = (beside - alone).abs().amax((0, 2))
    largest, n_moved = float(moved.max()), int((moved > 1e-5).sum())
    print(f"{name}: {n_moved} of {len(moved)} frames moved, by up to {largest:.2g}")
    as_stated &= (n_moved == len(moved) and largest > float(alone.std())) if leaks else not n_moved
sys.exit(0 if as_stated else "not as stated")
END
