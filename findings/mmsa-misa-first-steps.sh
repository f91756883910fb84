#!/usr/bin/env bash
# MMSA's MISA reads as many steps of audio and video as the text has pieces, and no more.
#
# Versions:  MMSA 2.2.1, torch 2.15.0 (CPU), transformers 5.24.0, numpy 2.4.6.
# Guess:     with unaligned features, which are its default (`need_data_aligned` is off), MISA's
#            LSTMs read all steps of audio and video, hundreds an utterance, whose lengths the
#            loader gives.
# Behaviour: they read the first steps alone, as many as BERT's mask has pieces: 12 of 500 and 375
#            for an utterance of ten words. What stands after them changes no prediction, to the
#            bit.
# Source:    MMSA, models/singleTask/MISA.py, MISA.alignment: `lengths`, by which visual and
#            acoustic sequences are packed, is the sum of bert_sent_mask. In the authors' own code
#            sequences are aligned to words, so that one length serves for all.
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
import os
import sys

import torch
from MMSA import get_config_regression
from MMSA.models import AMIO
from transformers import BertConfig, BertModel, BertTokenizer

PIECES, WIDTH = 12, 768


def save_bert(folder):
    """A small BERT with random weights, and a tokenizer, which MMSA loads and does not use."""
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *(f"word{k}" for k in range(95))]
    os.mkdir(folder)
    with open(f"{folder}/vocab.txt", "w") as file:
        file.write("\n".join(words))
    BertTokenizer.from_pretrained(folder).save_pretrained(folder)
    config = BertConfig(
        vocab_size=len(words), hidden_size=WIDTH, num_hidden_layers=1, num_attention_heads=2
    )
    BertModel(config).save_pretrained(folder)


def score(audio, video):
    with torch.no_grad():
        return model(text, audio, video)["M"].item()


torch.manual_seed(0)
save_bert("bert")
settings = get_config_regression("misa", "mosi")
settings.update(pretrained="bert", train_mode="regression")
print("aligned by default:", settings["need_data_aligned"], "lengths:", settings["seq_lens"])
model = AMIO(settings).eval()
mask = (torch.arange(50) < PIECES).float()
text = torch.stack((5 + torch.arange(50.0) * mask, mask, torch.zeros(50)))[None]
audio, video = torch.randn(1, 500, 5), torch.randn(1, 375, 20)
as_made = score(audio, video)
beyond_audio, beyond_video, within = audio.clone(), video.clone(), audio.clone()
beyond_audio[:, PIECES:] += 10
beyond_video[:, PIECES:] += 10
within[:, PIECES - 1] += 10
beyond, inside = score(beyond_audio, beyond_video), score(within, video)
print(f"score: {as_made:.6f}")
print(f"with other audio and video after step {PIECES}: {beyond:.6f}")
print(f"with another step {PIECES} of audio: {inside:.6f}")
sys.exit(0 if beyond == as_made and inside != as_made else 1)
END
