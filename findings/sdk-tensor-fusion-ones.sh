#!/usr/bin/env bash
# The CMU-MultimodalSDK's TensorFusion multiplies modalities without the ones of the paper it names.
#
# Versions:  cmu-multimodal-sdk 0.0.6 (a copy of the SDK on the index), torch 2.15.0 (CPU), numpy
#            2.4.6.
# Guess:     it is the fusion of the Tensor Fusion Network, whose paper it names, by the same
#            authors: each modality's vector gets a 1 before the outer product, so that what one or
#            two modalities say by themselves is in the tensor beside the products of three.
# Behaviour: the tensor holds the products of three alone: of widths 4, 3, 2 it has 24 numbers and
#            not 60. A modality of zeros hides the others: the result is the layer's bias, whatever
#            they are. Ones have to be put before its input by hand.
# Source:    CMU-MultimodalSDK, mmmodelsdk/fusion/tensor_fusion/model.py; Zadeh et al. 2017, arXiv
#            1707.07250, section 3.2.
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

pins = {"cmu-multimodal-sdk": "0.0.6", "torch": "2.15.0", "numpy": "2.4.6"}
installed = {p.name.lower(): p.version.partition("+")[0] for p in distributions()}
others = {name: installed.get(name) for name in pins if installed.get(name) != pins[name]}
if others:
    print(f"made for {pins}; installed are {others}", file=sys.stderr)
    sys.exit(2)
END
"$PYTHON" -W ignore - <<'END'
import sys

import torch
from mmsdk.mmmodelsdk.fusion import TensorFusion

torch.manual_seed(0)
widths = [4, 3, 2]
fusion = TensorFusion(widths, 5)
text, audio, video = (torch.randn(6, width) for width in widths)
with torch.no_grad():
    silent = fusion([text, audio, torch.zeros_like(video)])
    product = torch.einsum("bi,bj,bk->bijk", text, audio, video).flatten(1)
    by_hand = fusion.linear_layer(product)
    same = torch.allclose(fusion([text, audio, video]), by_hand, atol=1e-6)
bias = fusion.linear_layer.bias.expand_as(silent)
print("numbers of the tensor:", fusion.tensor_size, "with ones it would have:", 5 * 4 * 3)
print("equals the plain outer product of three:", same)
print("video of zeros: text and audio change the result:", not torch.equal(silent, bias))
sys.exit(0 if same and fusion.tensor_size == 24 and torch.equal(silent, bias) else 1)
END
