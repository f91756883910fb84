#!/usr/bin/env bash
# MMSA never trains on the last batches of an epoch where it accumulates gradients, and on few rows
# not at all.
#
# Versions:  MMSA 2.2.1, torch 2.15.0 (CPU), transformers 5.24.0, numpy 2.4.6.
# Guess:     with `update_epochs=2`, which is MISA's default (Self-MM and TFR-Net have 4, MulT 8),
#            an epoch of five batches makes three updates, the last of one batch.
# Behaviour: it makes two: what the fifth batch gave is cleared when the next epoch begins. An epoch
#            of one batch makes none, so that MISA learns nothing from sixteen rows in any number of
#            epochs, saves the weights that it began with, and reports their scores as a result.
# Source:    MMSA, trains/singleTask/MISA.py (and singleTask/MULT.py, multiTask/SELF_MM.py,
#            missingTask/TFR_NET.py), do_train: after the batches, `if not left_epochs:
#            optimizer.step()`; left_epochs is 0 inside the loop only, which sets it back at once,
#            so the condition is never true there.
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
from MMSA.trains import ATIO
from torch.optim.optimizer import register_optimizer_step_post_hook
from transformers import BertConfig, BertModel, BertTokenizer

ROWS, STEPS, WIDTH = 16, 6, 768


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


def batch():
    mask = torch.ones(ROWS, STEPS)
    pieces = torch.randint(5, 100, (ROWS, STEPS)).float()
    return {
        "text": torch.stack((pieces, mask, torch.zeros_like(mask)), 1),
        "audio": torch.randn(ROWS, STEPS, 5),
        "vision": torch.randn(ROWS, STEPS, 20),
        "labels": {"M": torch.randn(ROWS, 1)},
    }


def trained(batches):
    """Updates, epochs, and the largest change of a weight."""
    torch.manual_seed(0)
    model = AMIO(settings)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    updates, epochs, trainer = [], [], ATIO().getTrain(settings)
    validate = trainer.do_test
    trainer.do_test = lambda *rows, **mode: epochs.append(1) or validate(*rows, **mode)
    hook = register_optimizer_step_post_hook(lambda *step: updates.append(1))
    trainer.do_train(model, {"train": [batch() for _ in range(batches)], "valid": [batch()]})
    hook.remove()
    after = torch.load(settings.model_save_path)
    change = max((after[name] - before[name]).abs().max().item() for name in before)
    return len(updates), len(epochs), change


save_bert("bert")
settings = get_config_regression("misa", "mosi")
settings.update(pretrained="bert", train_mode="regression", device="cpu", cur_seed=1)
settings.update(model_save_path="misa.pth", early_stop=1)
print("update_epochs:", settings.update_epochs)
outcomes = {batches: trained(batches) for batches in (5, 1)}
for batches, (updates, epochs, change) in outcomes.items():
    print(
        f"batches an epoch: {batches}, updates: {updates} in {epochs} epochs, "
        f"largest change of a weight: {change:.1e}"
    )
updates, epochs, change = outcomes[5]
as_told = updates == 2 * epochs and change > 0
sys.exit(0 if as_told and outcomes[1][0] == 0 and outcomes[1][2] == 0 else 1)
END
