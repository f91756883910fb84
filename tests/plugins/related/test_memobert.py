"""MEmoBERT's prediction at the mask, against the language model's own output and by hand."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import (
    AutoModelForMaskedLM,
    BertConfig,
    BertForMaskedLM,
    BertModel,
    BertTokenizerFast,
    RobertaConfig,
    RobertaForMaskedLM,
)

from merbench.api import Batch, Lexicon, RequestError, Steps, StreamSpec, TextRows, Vectors
from merbench.testing import tiny
from merbench.testing.parts.language_model import is_sound
from merbench_encoders.hf.masked import HfMasked
from merbench_related.memobert.model import MEmoBERT
from merbench_related.memobert.small_language_model import VectorLanguage

PIECES = [
    "[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "film", "was", "good", "i", "am", ".",
    "happy", "sad", "anger", "sur", "##prise", "disgust", "fear", "it",
]  # fmt: skip
SIZES = {
    "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 24,
    "vocab_size": len(PIECES), "max_position_embeddings": 48, "pad_token_id": 0,
}  # fmt: skip
FAMILIES = {
    "bert": (BertConfig, BertForMaskedLM),
    "roberta": (RobertaConfig, RobertaForMaskedLM),
    "headless": (BertConfig, BertModel),
}


def language_model(folder: Path, family: str = "bert") -> Path:
    torch.manual_seed(0)
    (folder / "vocab.txt").write_text("\n".join(PIECES))
    settings, network = FAMILIES[family]
    net = network(settings(**SIZES))
    net.save_pretrained(folder)
    BertTokenizerFast(str(folder / "vocab.txt")).save_pretrained(folder)
    return folder


TEXTS = ["the film was good", "good", "the surprise", "film film film"]


def encoder(folder: Path, context, **config) -> tuple[HfMasked, object]:
    stream = StreamSpec("text.tiny", "text", "strings")
    encoder_in = HfMasked(HfMasked.Config(model=str(folder), longest=12, **config), context, stream)
    return encoder_in.eval(), encoder_in.prepare(
        TextRows(stream, np.array(TEXTS), torch.tensor([1, 1, 1, 0]))
    )


def test_an_untrained_network_of_any_precision_scores_words(tmp_path):
    language_model(tmp_path)
    file = tmp_path / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"dtype": "float16"}))
    text, rows = encoder(tmp_path, tiny.context("class"), pretrained="random", tuned=True)
    states_BLD = text(rows[torch.arange(4)]).x_BLD
    scores_B2 = text.language_model.scores(states_BLD[:, 0], [[12], [13]])
    assert {p.dtype for p in text.parameters()} == {torch.float32}
    assert scores_B2.requires_grad and torch.isfinite(scores_B2).all()


def model(folder: Path, kind="class", modalities=("text", "audio", "video"), **config):
    context = tiny.context(kind, modalities)
    text, rows = encoder(folder, context)
    torch.manual_seed(1)
    encoders = {"text": text}
    for m in modalities[1:]:
        stand_in = torch.nn.Identity()
        stand_in.width = 6
        encoders[m] = stand_in
    context = dataclasses.replace(context, language_model=text.language_model)
    memobert = MEmoBERT(MEmoBERT.Config(longest=6, **config), context, encoders).eval()
    inputs = {"text": rows[torch.arange(4)]}
    inputs |= {m: tiny.steps(4, 5, 6, seed=2, missing=[1]) for m in modalities[1:]}
    return memobert, Batch(torch.arange(4), inputs, tiny.targets(context.space, 4))


def test_scores_are_the_model_s_own_at_that_place(tmp_path):
    for family in ("bert", "roberta"):
        (tmp_path / family).mkdir()
        folder = language_model(tmp_path / family, family)
        masked, rows = encoder(folder, tiny.context())
        tokens, rows_B, at_B = rows[torch.arange(3)], torch.arange(3), torch.tensor([1, 2, 0])
        language = masked.language_model
        states_BD = language.run(*masked(tokens))[rows_B, at_B]
        actual = language.scores(states_BD, [[piece] for piece in range(len(PIECES))])
        net = AutoModelForMaskedLM.from_pretrained(folder).eval()
        reference = net(input_ids=tokens.ids_BL, attention_mask=tokens.mask_BL.long()).logits
        torch.testing.assert_close(actual, reference[rows_B, at_B], atol=1e-5, rtol=1e-4)
        # The network itself is as it was.
        torch.testing.assert_close(
            masked.net(input_ids=tokens.ids_BL, attention_mask=tokens.mask_BL.long()).logits,
            reference,
        )


def test_logits_are_the_masked_scores_of_the_label_words(tmp_path):
    """Row by row: [CLS] text [SEP] i am [MASK] . audio video, no padding anywhere."""
    folder = language_model(tmp_path)
    memobert, batch = model(folder)
    logits_BC = memobert(batch).logits_BC
    net = AutoModelForMaskedLM.from_pretrained(folder).eval()
    embed = net.get_input_embeddings()
    words = [[12], [13], [14], [15, 16], [17], [18]]
    for row in range(4):
        tokens = batch.inputs["text"]
        ids = tokens.ids_BL[row][tokens.mask_BL[row]].tolist()
        sequence = [embed(torch.tensor([*ids, 9, 10, 4, 11]))]
        for m in ("audio", "video"):
            x_LD = batch.inputs[m].x_BLD[row][batch.inputs[m].mask_BL[row]]
            sequence.append(memobert.project[m](x_LD) + memobert.modality[m])
        scores_V = net(inputs_embeds=torch.cat(sequence)[None]).logits[0, len(ids) + 2]
        expected_C = torch.stack([scores_V[pieces].mean() for pieces in words])
        torch.testing.assert_close(logits_BC[row], expected_C, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("config", [{}, {"predict": "linear"}])
def test_padding_whatever_it_holds_changes_nothing(tmp_path, config):
    memobert, batch = model(language_model(tmp_path), **config)
    padded = dict(batch.inputs)
    for m in ("audio", "video"):
        x_BLD, mask_BL = batch.inputs[m]
        noise = torch.where(mask_BL[..., None], x_BLD, 7.0)
        padded[m] = Steps(
            torch.cat([noise, noise[:, :3]], 1), torch.cat([mask_BL, mask_BL[:, :3] & False], 1)
        )
    other = Batch(batch.ids_B, padded, batch.target)
    torch.testing.assert_close(
        memobert(other).logits_BC, memobert(batch).logits_BC, atol=1e-5, rtol=1e-4
    )


def test_audio_reaches_the_label_words(tmp_path):
    memobert, batch = model(language_model(tmp_path))
    audio = Steps(batch.inputs["audio"].x_BLD + 5.0, batch.inputs["audio"].mask_BL)
    moved = Batch(batch.ids_B, {**batch.inputs, "audio": audio}, batch.target)
    change_B = (memobert(moved).logits_BC - memobert(batch).logits_BC).abs().amax(1)
    # Row 1 lacks audio.
    assert change_B[1] == 0
    assert (change_B[[0, 2, 3]] > 1e-4).all()


def test_each_space_has_its_offsets(tmp_path):
    folder = language_model(tmp_path)
    assert model(folder, "class")[0].offset_C is None
    assert model(folder, "multilabel")[0].offset_C.shape == (6,)


def test_what_cannot_work_is_refused_in_a_sentence(tmp_path):
    folder = language_model(tmp_path)
    with pytest.raises(RequestError, match="cannot tell the label"):
        model(folder, "score")  # "strongly negative" and the others are unknown pieces
    memobert, batch = model(folder)
    long = Steps(torch.randn(4, 60, 6), torch.ones(4, 60, dtype=torch.bool))
    memobert.config = memobert.config.model_copy(update={"longest": 60})
    with pytest.raises(RequestError, match=r"takes 48; lower model\.longest"):
        memobert(Batch(batch.ids_B, {**batch.inputs, "audio": long}, batch.target))
    with pytest.raises(ValueError, match="once"):
        MEmoBERT.Config(template="i am happy")
    (tmp_path / "headless").mkdir()
    with pytest.raises(RequestError, match="lack"):
        encoder(language_model(tmp_path / "headless", "headless"), tiny.context())
    plain = torch.nn.Identity()
    plain.width = 5
    with pytest.raises(RequestError, match="hf-masked"):
        MEmoBERT(MEmoBERT.Config(), tiny.context(words=True), {"text": plain})
    with pytest.raises(RequestError, match=r"text\.tiny is features; choose a stream of words"):
        MEmoBERT(MEmoBERT.Config(), tiny.context(), {"text": plain})


def test_a_frozen_language_model_is_not_saved_and_a_tuned_one_once(tmp_path):
    folder = language_model(tmp_path)
    memobert, _ = model(folder)
    assert not [name for name in memobert.state_dict() if ".net." in name]
    tuned, _ = encoder(folder, tiny.context("class"), tuned=True)
    context = dataclasses.replace(tiny.context("class"), language_model=tuned.language_model)
    retrained = MEmoBERT(MEmoBERT.Config(), context, {"text": tuned})
    prefixes = {name.split("net.")[0] for name, _ in retrained.named_parameters() if "net." in name}
    assert prefixes == {"encoders.text."}


def test_over_word_vectors_a_label_of_two_words_has_their_mean_score():
    lexicon = tiny.lexicon()
    torch.manual_seed(0)
    language = VectorLanguage(lexicon, 8, 1, 2, 0.0, 20).eval()
    texts = [language.pieces("slightly positive"), language.pieces("neutral")]
    state_BD = language.run(torch.randn(2, 5, 8), torch.ones(2, 5, dtype=torch.bool))[:, 3]
    actual = language.scores(state_BD, texts)
    vectors = torch.from_numpy(lexicon.table(["slightly", "positive", "neutral"])[0])
    scores = language.back(state_BD) @ vectors.T * lexicon.width**-0.5
    torch.testing.assert_close(actual[:, 0], scores[:, :2].mean(1))
    torch.testing.assert_close(actual[:, 1], scores[:, 2])


def test_over_word_vectors_unknown_words_are_skipped_and_the_mask_is_learned():
    language = VectorLanguage(tiny.lexicon(), 8, 1, 2, 0.0, 20)
    before = language.pieces("the qqqq film was")
    embedded_PD = language.embed(torch.tensor([*before, language.mask, *language.pieces("not")]))
    assert embedded_PD.shape == (5, 8)
    assert torch.equal(embedded_PD[3], language.mask_D)
    film_V = torch.from_numpy(tiny.lexicon().table(["film"])[0][0])
    torch.testing.assert_close(embedded_PD[1], language.enter(film_V))


def test_the_model_over_word_vectors_is_a_language_model():
    language = VectorLanguage(tiny.lexicon(), 6, 2, 2, 0.1, 20).eval()
    is_sound(language, tiny.steps())


def test_labels_without_a_vector_are_read_by_their_glosses_where_asked():
    context = tiny.context("class")
    words = set(context.lexicon.files[0].words) - {"disgust"}
    matrix = np.random.default_rng(0).normal(size=(len(words), 12)).astype(np.float32)
    lexicon = Lexicon((Vectors("few", tuple(sorted(words)), matrix),))
    text = torch.nn.Identity()
    text.width = 12
    streams = {
        **context.streams,
        "text": dataclasses.replace(context.streams["text"], kind="words"),
    }
    few = dataclasses.replace(context, lexicon=lexicon, streams=streams)
    with pytest.raises(RequestError, match=r"'disgust'.*model\.text=gloss"):
        MEmoBERT(MEmoBERT.Config(), few, {"text": text})
    assert all(MEmoBERT(MEmoBERT.Config(text="gloss"), few, {"text": text}).labels)
