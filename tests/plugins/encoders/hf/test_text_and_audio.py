"""Text and speech models of transformers, as tiny random networks, against the library's own answers."""

import hashlib
import json
import pickle

import numpy as np
import pytest
import torch
from huggingface_hub import constants
from safetensors.torch import save_file
from transformers import AutoModel, BertConfig, BertModel, Wav2Vec2FeatureExtractor

from merbench.api import RequestError, StreamSpec, TextRows
from merbench_encoders import hub
from merbench_encoders.hf.audio import HfAudio
from merbench_encoders.hf.text import HfText
from merbench_encoders.sound.waves import Waves
from merbench_encoders.word_pieces import _sentence_limit
from tests.clips import tone, write_clip
from tests.plugins.encoders.tower_checks import (
    CONTEXT,
    TEXT,
    TEXTS,
    Bomb,
    check_texts,
    check_tuning,
    clip_rows,
    close,
    make,
    text_rows,
)
from tests.towers import PIECES, SIZES, tiny_clip, tiny_speech, tiny_text

AUDIO = StreamSpec("audio.clip", "audio", "clip")


@pytest.fixture(scope="module", autouse=True)
def clip_file(tmp_path_factory):
    return tiny_clip(tmp_path_factory.mktemp("clip"))


@pytest.fixture
def offline(monkeypatch, tmp_path):
    """An empty cache and a network that refuses."""

    def refuse(*_, **__):
        raise ConnectionError("Name or service not known")

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(hub, "get_hf_file_metadata", refuse)
    return tmp_path / "cache"


def test_hf_audio_hears_clips_at_its_own_rate(waves_folder, tmp_path):
    encoder = make(HfAudio, AUDIO, model=str(waves_folder("layer"))).eval()
    path = write_clip(tmp_path / "a.wav", None, tone(1, 22_050), rate=22_050, sound="pcm_s16le")
    prepared = encoder.prepare(clip_rows(AUDIO, "", path))
    waves = prepared[torch.arange(2)]
    assert waves.length_B.tolist() == [0, 8000]
    np.testing.assert_allclose(waves.wave_BS[1, 100:-100], tone(1, 8000)[0, 100:-100], atol=1e-3)
    assert encoder(waves).mask_BL.sum(1).tolist() == [0, encoder.frames(torch.tensor(8000))]


def test_a_clip_of_less_than_a_frame_is_named(waves_folder, tmp_path):
    encoder = make(HfAudio, AUDIO, model=str(waves_folder("layer"))).eval()
    frame = next(n for n in range(8000) if encoder.frames(torch.tensor(n)))
    paths = [
        write_clip(tmp_path / f"{n}.wav", None, tone(n / 8000, 8000), rate=8000, sound="pcm_s16le")
        for n in (frame - 1, frame)
    ]
    prepared = encoder.prepare(clip_rows(AUDIO, *paths))
    assert encoder(prepared[torch.arange(2)]).mask_BL.sum(1).tolist() == [0, 1]
    assert prepared.notes == {0: f"its sound is shorter than {frame / 8:.4g} ms"}
    assert not encoder(prepared[torch.tensor([0])]).mask_BL.any()


# Text models of transformers


@pytest.fixture
def text_folder(tmp_path):
    """family -> a folder with a tiny random model and a word-piece tokenizer."""
    return lambda family="bert": tiny_text(tmp_path, family)


@pytest.mark.parametrize("family", ["bert", "roberta", "deberta"])
@pytest.mark.parametrize("layer", [-1, 0, 1])
def test_hf_text_equals_the_model_on_each_text_alone(family, layer, text_folder):
    folder = text_folder(family)
    encoder = make(HfText, TEXT, model=str(folder), layer=layer)
    steps = check_texts(encoder.eval())
    net = AutoModel.from_pretrained(folder).eval()
    for i in (0, 1):
        ids = [2, *(PIECES.index(w) for w in TEXTS[i].split()), 3]
        out = net(torch.tensor([ids]), output_hidden_states=True)
        close(steps.x_BLD[i][steps.mask_BL[i]], out.hidden_states[layer][0])
        if layer == -1:
            close(out.hidden_states[-1], out.last_hidden_state)
    # RoBERTa's family keeps places for padding, whose number is 0 here.
    places = 11 if family == "roberta" else 12
    assert encoder.measured == {"truncated_rate": 1 / 3}
    assert int(steps.mask_BL.sum(1).max()) == places


@pytest.mark.parametrize(("layer", "mean_layers"), [(-1, 3), (-1, 2), (1, 2), (0, 1)])
def test_several_hidden_states_are_averaged(layer, mean_layers, text_folder, waves_folder):
    last = layer % 3 + 1
    settings = {"layer": layer, "mean_layers": mean_layers}
    folder = text_folder()
    steps = check_texts(make(HfText, TEXT, model=str(folder), **settings).eval())
    ids = torch.tensor([[2, *(PIECES.index(w) for w in TEXTS[1].split()), 3]])
    states = AutoModel.from_pretrained(folder).eval()(ids, output_hidden_states=True).hidden_states
    close(
        steps.x_BLD[1][steps.mask_BL[1]], torch.stack(states[last - mean_layers : last]).mean(0)[0]
    )
    folder, wave = waves_folder("hubert"), torch.randn(1, 120)
    heard = make(HfAudio, AUDIO, model=str(folder), **settings).eval()
    values = (wave - wave.mean()) / wave.std(unbiased=False) if heard.normalised else wave
    states = AutoModel.from_pretrained(folder).eval()(values, output_hidden_states=True)
    wanted = torch.stack(states.hidden_states[last - mean_layers : last]).mean(0)
    close(heard(Waves(wave, torch.tensor([120]))).x_BLD, wanted)


def test_hf_text_says_which_word_a_piece_belongs_to(text_folder):
    encoder = make(HfText, TEXT, model=str(text_folder()), longest=6)
    tokens = encoder.prepare(text_rows(("the boring films", "", "bad")))[torch.arange(3)]
    assert tokens.word_BL.tolist() == [[-1, 0, 1, 1, 2, -1], [-1] * 6, [-1, 0, -1, -1, -1, -1]]
    assert tokens.ids_BL[0].tolist() == [
        2,
        *(PIECES.index(p) for p in ("the", "bor", "##ing")),
        tokens.ids_BL[0, 4],
        3,
    ]
    assert encoder.measured == {"truncated_rate": 1 / 2}
    empty = encoder.prepare(text_rows(("", "")))[torch.arange(2)]
    assert not empty.mask_BL.any() and torch.isfinite(encoder(empty).x_BLD).all()


def test_a_text_of_unknown_pieces_is_known_to_say_nothing(text_folder):
    encoder = HfText(HfText.Config(model=str(text_folder("bert"))), CONTEXT, TEXT)
    texts = np.array(["good film", "привет", "", "привет film"])
    rows = encoder.prepare(TextRows(TEXT, texts, torch.tensor([1, 1, 0, 1])))
    assert rows.unread == {1: "no piece of it is known"}


def test_hf_text_tunes_or_not(text_folder):
    folder = str(text_folder())
    inputs = make(HfText, TEXT, model=folder).prepare(text_rows())[torch.arange(4)]
    weights = torch.randn(4, inputs.ids_BL.shape[1], 16)

    def loss(steps):
        return (steps.x_BLD * weights)[steps.mask_BL].sum()

    check_tuning(lambda **s: make(HfText, TEXT, model=folder, **s), inputs, loss)


def test_hf_weights_random_or_given(text_folder):
    folder = text_folder()
    config = HfText.Config(model=str(folder))
    (folder / "preprocessor_config.json").write_text("{}")
    files = [
        folder / name for name in ("config.json", "model.safetensors", "preprocessor_config.json")
    ]
    files += sorted(
        p
        for p in folder.iterdir()
        if p.name.startswith(("tokenizer", "vocab", "special_tokens_map"))
    )
    assert len(files) > 3
    want = hashlib.sha256(
        b"".join(hashlib.sha256(f.read_bytes()).digest() for f in files)
    ).hexdigest()
    assert HfText.pretrained(config) == {"transformers:bert": want} and HfText.sources(config) == {
        "transformers:bert": "bert (local)"
    }
    untrained = config.model_copy(update={"pretrained": "random"})
    assert HfText.pretrained(untrained) == {}
    files[1].unlink()
    encoder = HfText(untrained, CONTEXT, TEXT)
    assert encoder.width == 16


def test_how_many_pieces_a_text_keeps_is_part_of_what_a_folder_holds(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    file, digests = tmp_path / "sentence_bert_config.json", set()
    for limit in (None, 8, 10):
        text = json.dumps({"max_seq_length": limit})
        file.write_text(f"\ufeff{text}")
        digests |= set(HfText.pretrained(HfText.Config(model=str(tmp_path))).values())
        assert _sentence_limit(tmp_path) == limit
    assert len(digests) == 3
    for damaged in ("[", "[1]", '{"max_seq_length": "x"}', '{"max_seq_length": -5}'):
        file.write_text(damaged)
        with pytest.raises(RequestError, match="holds no max_seq_length from 1"):
            _sentence_limit(tmp_path)


def test_a_folder_without_a_configuration_is_one_sentence(tmp_path):
    with pytest.raises(RequestError, match=r"has no config\.json, which says what its weights are"):
        HfText.pretrained(HfText.Config(model=str(tmp_path)))


def test_hf_mistakes_get_one_sentence(text_folder, offline, tmp_path):
    folder = text_folder()
    with pytest.raises(RequestError, match=r"layer=3 is no hidden state .* one of -3 to 2"):
        make(HfText, TEXT, model=str(folder), layer=3)
    with pytest.raises(RequestError, match=r"mean_layers=3 .* layer=1 goes below.*give 2 at most"):
        make(HfText, TEXT, model=str(folder), layer=1, mean_layers=3)
    with pytest.raises(RequestError, match=r"there is no folder \./nowhere; name another"):
        make(HfText, TEXT, model="./nowhere")
    with pytest.raises(
        RequestError,
        match=r"bert-base-uncased is neither in the cache .*hf download bert-base-uncased.*word-vectors",
    ):
        make(HfText, TEXT)
    state = BertModel(BertConfig(**SIZES, max_position_embeddings=12)).state_dict()
    save_file(
        {k: v.clone() for k, v in state.items() if "layer.1" not in k},
        folder / "model.safetensors",
        {"format": "pt"},
    )
    with pytest.raises(RequestError, match=r"lack 16 tensors \(encoder\.layer\.1"):
        make(HfText, TEXT, model=str(folder))
    BertModel(BertConfig(**SIZES, max_position_embeddings=12)).save_pretrained(tmp_path / "mute")
    (tmp_path / "mute" / "tokenizer.json").write_text("{}")
    with pytest.raises(RequestError, match="has no tokenizer that can be read"):
        make(HfText, TEXT, model=str(tmp_path / "mute"))
    (folder / "model.safetensors").write_bytes(b"nonsense")
    with pytest.raises(RequestError, match="cannot be loaded as a transformers model"):
        make(HfText, TEXT, model=str(folder))
    (folder / "model.safetensors").unlink()
    for bomb in (pickle.dumps(Bomb()), None):
        torch.save(Bomb(), folder / "pytorch_model.bin") if bomb is None else (
            folder / "pytorch_model.bin"
        ).write_bytes(bomb)
        with pytest.raises(RequestError, match="cannot be loaded as a transformers model"):
            make(HfText, TEXT, model=str(folder))
    torch.save(state, folder / "pytorch_model.bin")
    assert make(HfText, TEXT, model=str(folder)).width == 16
    (tmp_path / "empty").mkdir()
    with pytest.raises(RequestError, match="cannot be loaded as a transformers model"):
        make(HfText, TEXT, model=str(tmp_path / "empty"))


# Speech models of transformers


@pytest.fixture
def waves_folder(tmp_path):
    """name -> a folder with a tiny random speech model."""
    return lambda name: tiny_speech(tmp_path, name)


@pytest.mark.parametrize("name", ["group", "layer", "hubert", "wavlm"])
@pytest.mark.parametrize("layer", [-1, 1])
def test_hf_audio_equals_the_model_on_each_wave_alone(name, layer, waves_folder):
    folder = waves_folder(name)
    encoder = make(HfAudio, AUDIO, model=str(folder), layer=layer).eval()
    assert encoder.sampling_rate == 8000 and encoder.width == 16
    wave, length = 3 + torch.randn(5, 120), torch.tensor([120, 41, 0, 12, 77])
    real = torch.arange(120) < length[:, None]
    steps = encoder(Waves(torch.where(real, wave, torch.nan), length))
    net, reader = (
        AutoModel.from_pretrained(folder).eval(),
        Wav2Vec2FeatureExtractor.from_pretrained(folder),
    )
    assert torch.isfinite(steps.x_BLD).all()
    assert steps.mask_BL.sum(1).tolist() == [11, 3, 0, 0, 6]
    for i in (0, 1, 4):
        values = reader(
            wave[i, : length[i]].numpy(), sampling_rate=8000, return_tensors="pt"
        ).input_values
        out = net(values, output_hidden_states=True)
        close(
            steps.x_BLD[i][steps.mask_BL[i]],
            (out.last_hidden_state if layer == -1 else out.hidden_states[layer])[0],
        )
    order = torch.tensor([4, 2, 0])
    close(encoder(Waves(wave[order], length[order])).x_BLD[0][:6], steps.x_BLD[4][:6])
    short = encoder(Waves(wave[2:4, :12], length[2:4]))
    assert not short.mask_BL.any() and torch.isfinite(short.x_BLD).all()


@pytest.mark.parametrize("name", ["group", "layer"])
def test_hf_audio_tunes_or_not(name, waves_folder):
    folder = str(waves_folder(name))
    inputs = Waves(torch.randn(2, 60), torch.tensor([60, 45]))
    weights = torch.randn(2, 5, 16)
    frozen = make(HfAudio, AUDIO, model=folder).train()
    assert (
        torch.equal(frozen(inputs).x_BLD, frozen(inputs).x_BLD)
        and not frozen(inputs).x_BLD.requires_grad
    )
    tuned = make(HfAudio, AUDIO, model=folder, tuned=True).train()
    (tuned(inputs).x_BLD * weights).sum().backward()
    dead = [n for n, p in tuned.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert not dead


def test_hf_audio_refuses_other_models(text_folder):
    with pytest.raises(RequestError, match=r"is no model of the wav2vec 2\.0 family"):
        make(HfAudio, AUDIO, model=str(text_folder()))
