"""A BERT of two layers with random weights, as wide as the real one, which MMSA takes for granted."""

from __future__ import annotations

from pathlib import Path

import torch

PIECES = ["[PAD]", *(f"[unused{i}]" for i in range(99)), "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
WORD = 1000
"""The id of ``word``, of which made-up texts consist; [UNK], [CLS] and [SEP] have BERT's own."""


def save(folder: Path) -> None:
    from transformers import BertConfig, BertModel, BertTokenizer

    folder.mkdir()
    unused = [f"[more{i}]" for i in range(WORD - len(PIECES))]
    (folder / "vocab.txt").write_text("\n".join([*PIECES, *unused, "word"]))
    BertTokenizer.from_pretrained(folder).save_pretrained(folder)
    torch.manual_seed(0)
    BertModel(BertConfig(vocab_size=WORD + 1, num_hidden_layers=2)).save_pretrained(folder)
