"""Encoders whose language model other parts work inside, against the networks themselves; MAG and
CENET there.
"""

from __future__ import annotations

import dataclasses
import shutil

import numpy as np
import pytest
import torch
from transformers import AlbertConfig, AlbertModel, AutoModel

from merbench.api import (
    RequestError,
    Steps,
    StreamSpec,
    TextRows,
    Tokens,
    at_pieces,
)
from merbench.engine.build import build
from merbench.engine.learn import learn
from merbench.engine.plan.plan import Request
from merbench.engine.resolve import resolve
from merbench.engine.rows.splits import Fold
from merbench.testing import tiny
from merbench.testing.parts.language_model import TinyLanguage, is_sound
from merbench_baselines.language_model.cenet import CENET
from merbench_baselines.language_model.mag import MAG
from merbench_datasets.sample.data_set import Sample
from merbench_encoders.hf.inside import HfInside
from tests.towers import SIZES, tiny_text

STREAM = StreamSpec("text.tiny", "text", "strings")
TEXTS = ["good film", "bad", "the good good film", "nothing"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tiny_text(tmp_path_factory.mktemp("tower"))


def reader(folder, **settings):
    torch.manual_seed(0)
    encoder = HfInside(
        HfInside.Config(model=str(folder), **settings), tiny.context(), STREAM
    ).eval()
    rows = encoder.prepare(TextRows(STREAM, np.array(TEXTS), torch.tensor([1, 1, 1, 0])))
    return encoder, rows[torch.arange(4)]


@pytest.mark.parametrize("family", ["bert", "roberta"])
def test_states_are_the_network_s_own_at_every_place(folder, family, tmp_path):
    folder = folder if family == "bert" else tiny_text(tmp_path, family)
    encoder, tokens = reader(folder)
    language, real_BL = encoder.language_model, tokens.mask_BL
    is_sound(language, encoder(tokens))
    states = {}

    def record(number):
        return lambda x_BLD: states.setdefault(number, x_BLD)

    enter = {number: record(number) for number in range(language.depth + 1)}
    last_BLD = language.run(*encoder(tokens), enter)
    net = AutoModel.from_pretrained(folder).eval()
    attended_BL = (real_BL | ~real_BL.any(1, keepdim=True)).long()
    reference = net(input_ids=tokens.ids_BL, attention_mask=attended_BL, output_hidden_states=True)
    for number, expected_BLD in enumerate(reference.hidden_states):
        torch.testing.assert_close(states[number][real_BL], expected_BLD[real_BL])
    torch.testing.assert_close(last_BLD[real_BL], reference.last_hidden_state[real_BL])


def test_layers_that_are_one_module_have_no_place_between_them(folder, tmp_path):
    shutil.copytree(folder, tmp_path / "albert")
    net = AlbertModel(AlbertConfig(**SIZES, embedding_size=16, pad_token_id=0))
    net.save_pretrained(tmp_path / "albert")
    with pytest.raises(RequestError, match="one after the other"):
        reader(tmp_path / "albert")
    encoder, tokens = reader(folder)
    with pytest.raises(RequestError, match="no masked language model"):
        encoder.language_model.scores(encoder(tokens).x_BLD[:, 0], [[1]])


def test_each_piece_has_the_steps_of_its_word():
    word_BL = torch.tensor([[-1, 0, 0, 1, -1], [-1, 0, -1, -1, -1]])
    mask_BL = torch.tensor([[1, 1, 1, 1, 1], [1, 1, 0, 0, 0]]).bool()
    tokens = Tokens(torch.zeros_like(word_BL), mask_BL, word_BL)
    aligned = Steps(
        torch.tensor([[[1.0], [2.0]], [[5.0], [9.0]]]), torch.tensor([[1, 1], [1, 0]]).bool()
    )
    at_BL = at_pieces(aligned, mask_BL, tokens)[..., 0]
    assert at_BL.tolist() == [[0, 1, 1, 2, 0], [0, 5, 0, 0, 0]]
    four = Steps(torch.tensor([[[1.0], [3.0], [5.0], [7.0]]]), torch.ones(1, 4).bool())
    one_row = Tokens(*(t[:1] for t in tokens))
    assert at_pieces(four, mask_BL[:1], one_row)[0, :, 0].tolist() == [0, 2, 2, 6, 0]
    assert at_pieces(aligned, mask_BL, None)[1, :, 0].tolist() == [5, 5, 0, 0, 0]
    absent = Steps(aligned.x_BLD, aligned.mask_BL & False)
    assert (at_pieces(absent, mask_BL, tokens) == 0).all()


def inside(factory, language, **settings):
    widths = {"text": language.width, "audio": 5, "video": 4}
    context = dataclasses.replace(tiny.context(), language_model=language)
    torch.manual_seed(0)
    return factory(factory.Config(**settings), context, widths, None).eval()


@pytest.mark.parametrize("factory", [MAG, CENET])
def test_what_is_heard_and_seen_enters_between_the_model_s_layers(factory):
    """Against the layers run by hand, with what enters there."""
    language = TinyLanguage()
    fusion = inside(factory, language, after=1)
    parts = {m: tiny.steps(5, 4, w, seed=w) for m, w in (("text", 6), ("audio", 5), ("video", 4))}
    x_BLD, mask_BL = parts["text"]

    def layer(states_BLD):
        real_BLD = torch.where(mask_BL[..., None], states_BLD, 0.0)
        mean_B1D = real_BLD.sum(1, keepdim=True) / mask_BL.sum(1)[:, None, None]
        return (states_BLD + mean_B1D).tanh()

    states_BLD = layer(x_BLD)
    if factory is MAG:
        others = {m: at_pieces(parts[m], mask_BL, None) for m in ("audio", "video")}
        states_BLD = fusion.gate(states_BLD, others)
    else:
        states_BLD = fusion.enhance(states_BLD, {m: parts[m] for m in ("audio", "video")})
    states_BLD = torch.where(mask_BL[..., None], layer(states_BLD), 0.0)
    mean_BD = states_BLD.sum(1) / mask_BL.sum(1, keepdim=True)
    expected_BD = mean_BD if factory is MAG else fusion.out(mean_BD).tanh()
    torch.testing.assert_close(fusion(parts).z_BCD[:, 0], expected_BD)
    assert not [name for name, _ in fusion.named_parameters() if "layers" in name]
    with pytest.raises(RequestError, match="more than the model's 2 layers"):
        inside(factory, language, after=3)


@pytest.mark.parametrize("model", ["mag", "cenet"])
def test_a_text_tower_is_worked_in(catalog, folder, model):
    corpus = Sample(Sample.Config(train=12, valid=4, test=4)).load()
    settings = {"train.epochs": 1, "train.batch_size": 6, "train.ema": 0.9}
    plan = resolve(Request(model, text_tower=str(folder), settings=settings), catalog, corpus, None)
    fold = Fold(plan.streams, plan.task, plan.protocol.splits[0], plan.lexicon)
    problem = build(plan, fold, 0, torch.device("cpu"))
    assert isinstance(problem.model.encoders["text"], HfInside)
    before = {name: p.detach().clone() for name, p in problem.model.named_parameters()}
    learn(plan, problem, fold, 0)
    moved = {n for n, p in problem.model.named_parameters() if not torch.equal(p, before[n])}
    tower = {name for name in moved if name.startswith("encoders.text.net.")}
    assert tower and any(name.startswith("fusion.") for name in moved)
    # The fusion works in the encoder's weights, which are saved once.
    state = problem.model.state_dict()
    assert not [name for name in state if name.startswith("fusion.") and ".net." in name]
