#!/usr/bin/env bash
# Of short clips, CLAP's fused model takes one, drawn at random, for a long one, and embeds it
# otherwise.
#
# Versions:  transformers 5.24.0, torch 2.15.0 (CPU), numpy 2.4.6.
# Guess:     the fused model (`enable_fusion`, as laion/clap-htsat-fused) has a way of its own, with
#            random crops, for clips longer than its ten seconds; clips of three seconds are
#            repeated and padded, so that in evaluation each has one embedding.
# Behaviour: where no clip of a call is longer than ten seconds, the feature extractor draws one of
#            them by numpy's global generator and marks it `is_longer`. The model then fuses its
#            four equal spectrograms, and its embedding is another one: here, untrained, at a cosine
#            of .6 to its own. The other clips keep theirs. So of a batch of four utterances one is
#            not embedded as the rest are, which one changes from call to call, and a clip alone
#            always is the one: features depend on batches and on the seed. With zeros for
#            `is_longer` each clip has one embedding.
# Source:    transformers, models/clap/feature_extraction_clap.py, ClapFeatureExtractor.__call__:
#            `if truncation == "fusion" and sum(is_longer) == 0`; models/clap/modeling_clap.py,
#            ClapAudioPatchEmbed.forward.
# An untrained model with a small configuration; no weights are needed to see it.
#
# PYTHON=/path/to/python uses what is installed there, where the versions are the same.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
if [ -z "${PYTHON:-}" ]; then
    python3 -m venv "$folder/venv"
    PYTHON=$folder/venv/bin/python
    "$PYTHON" -m pip install --quiet torch==2.15.0 transformers==5.24.0 numpy==2.4.6
fi
cd "$folder"
"$PYTHON" - <<'END'
import sys
from importlib.metadata import distributions

pins = {"torch": "2.15.0", "transformers": "5.24.0", "numpy": "2.4.6"}
installed = {package.name: package.version.partition("+")[0] for package in distributions()}
others = {name: installed.get(name) for name in pins if installed.get(name) != pins[name]}
if others:
    print(f"made for {pins}; installed are {others}", file=sys.stderr)
    sys.exit(2)
END
"$PYTHON" - <<'END'
import sys

import numpy as np
import torch
from transformers import ClapAudioConfig, ClapAudioModelWithProjection, ClapFeatureExtractor

RATE, CLIPS = 48_000, 4
torch.manual_seed(0)
config = ClapAudioConfig(
    enable_fusion=True,
    fusion_type="aff_2d",
    depths=[1, 1, 1, 1],
    num_attention_heads=[1, 1, 2, 2],
    patch_embeds_hidden_size=16,
    hidden_size=128,
    projection_dim=32,
)
net = ClapAudioModelWithProjection(config).eval()
extractor = ClapFeatureExtractor(truncation="fusion")
rng = np.random.default_rng(0)
clips = [rng.normal(0, 0.1, 3 * RATE).astype(np.float32) for _ in range(CLIPS)]


def embedded(clips, **changes):
    """Embeddings of length 1, and which of the clips were marked as longer than ten seconds."""
    inputs = extractor(clips, sampling_rate=RATE, return_tensors="pt")
    with torch.no_grad():
        embeddings = net(**{**inputs, **changes}).audio_embeds
    return torch.nn.functional.normalize(embeddings, dim=-1), inputs["is_longer"].flatten().tolist()


own, _ = embedded(clips, is_longer=torch.zeros(CLIPS, 1, dtype=torch.bool))
as_stated, marks = True, set()
for seed in range(4):
    np.random.seed(seed)
    embeddings, longer = embedded(clips)
    cosines = (embeddings * own).sum(-1)
    marks.add(tuple(longer))
    print(f"seed {seed}: marked {longer}, cosines to their own {cosines.numpy().round(3)}")
    moved = torch.tensor(longer)
    as_stated &= longer.count(True) == 1 and cosines[moved].item() < 0.9
    as_stated &= cosines[~moved].min().item() > 0.9999
alone, longer = embedded(clips[:1])
cosine = float(alone[0] @ own[0])
print(f"the first clip alone: marked {longer}, cosine {cosine:.3f}")
sys.exit(0 if as_stated and len(marks) > 1 and longer == [True] and cosine < 0.9 else 1)
END
