"""Text models of transformers: a text's states are the same alone and in a batch, also where padding
reaches real pieces whatever the attention mask says.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from transformers import AutoModel, BertTokenizerFast
from transformers.models.auto.configuration_auto import CONFIG_MAPPING

from merbench.api import LabelSpace, RequestError, StreamSpec, TextRows
from merbench.testing import tiny
from merbench_encoders.hf.inside import HfInside
from merbench_encoders.hf.text import HfText
from merbench_encoders.labels.hf import LabelHf
from tests.towers import PIECES, SIZES

TEXT = StreamSpec("text.transcript", "text", "strings")
TEXTS = ("the film was good", "bad", "", "not a very good film", "the film was bad")
FAMILIES = {
    "electra": ({"embedding_size": 16}, True),
    "convbert": ({"embedding_size": 16, "conv_kernel_size": 3}, False),
    "fnet": ({"type_vocab_size": 2}, False),
}
"""Model type -> settings, and whether it keeps padding out of real pieces."""


SPACE = LabelSpace("class", ("a good film", "bad"), ("a very good film", "a bad film"))


def folder_of(folder, family):
    kind = CONFIG_MAPPING[family]
    settings = {**SIZES, "max_position_embeddings": 24, "pad_token_id": 0, **FAMILIES[family][0]}
    torch.manual_seed(0)
    AutoModel.from_config(kind(**settings)).save_pretrained(folder)
    (folder / "vocab.txt").write_text("\n".join(PIECES))
    vocab = str(folder / "vocab.txt")
    BertTokenizerFast(vocab=vocab, vocab_file=vocab).save_pretrained(folder)
    return str(folder)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_text_alone_equals_a_text_in_a_batch(family, tmp_path):
    config = HfText.Config(model=folder_of(tmp_path, family))
    encoder = HfText(config, tiny.context(), TEXT).eval()
    assert encoder.masks_padding == FAMILIES[family][1]
    present = torch.tensor([int(bool(text)) for text in TEXTS])
    rows = encoder.prepare(TextRows(TEXT, np.array(TEXTS), present))
    with torch.no_grad():
        together = encoder(rows[torch.arange(len(TEXTS))])
        for row in present.nonzero()[:, 0].tolist():
            alone = encoder(rows[torch.tensor([row])])
            actual, want = (
                together.x_BLD[row][together.mask_BL[row]],
                alone.x_BLD[0][alone.mask_BL[0]],
            )
            torch.testing.assert_close(actual, want, atol=2e-5, rtol=1e-4)


def test_a_label_has_one_vector_whatever_the_others_are(tmp_path):
    config = LabelHf.Config(model=folder_of(tmp_path, "convbert"))
    encoder = LabelHf(config, replace(tiny.context("class"), space=SPACE))
    with torch.no_grad():
        both = encoder.read(("a good film", "bad"), None)
        torch.testing.assert_close(encoder.read(("bad",), None)[0], both[1], atol=2e-5, rtol=1e-4)


WITHOUT_PIECES = {
    "canine": {"num_hash_buckets": 64, "num_hash_functions": 2, "local_transformer_stride": 16},
    "ibert": {},
}


@pytest.mark.parametrize("family", WITHOUT_PIECES)
def test_a_network_without_a_table_of_pieces_is_refused_in_a_sentence(
    family, tmp_path, monkeypatch
):
    monkeypatch.setitem(FAMILIES, family, (WITHOUT_PIECES[family], True))
    model = folder_of(tmp_path, family)
    context = replace(tiny.context("class"), space=SPACE)
    for make in (
        lambda: HfInside(HfInside.Config(model=model), tiny.context(), TEXT),
        lambda: LabelHf(LabelHf.Config(model=model), context),
    ):
        with pytest.raises(RequestError, match="has no plain table of word pieces"):
            make()
    if family == "canine":
        with pytest.raises(RequestError, match="CanineModel does not read a text in pieces"):
            HfText(HfText.Config(model=model), tiny.context(), TEXT)
