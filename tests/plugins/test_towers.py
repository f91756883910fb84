"""Pretrained towers, as tiny random networks: against the libraries' own answers, text by text and
wave by wave. No network is used.
"""

import hashlib
import pickle
import time
from dataclasses import replace

import numpy as np
import open_clip
import pytest
import torch
from huggingface_hub import constants
from open_clip.transform import PreprocessCfg, image_transform_v2
from PIL import Image
from safetensors.torch import save_file
from transformers import AutoModel, BertConfig, BertModel, Wav2Vec2FeatureExtractor

from merbench.api import LabelSpace, RequestError, StreamSpec, TextRows, read_frames
from merbench.testing import tiny
from merbench_encoders import hub
from merbench_encoders.clip_image import ClipImage, Frames
from merbench_encoders.clip_text import ClipText
from merbench_encoders.hf_audio import HfAudio
from merbench_encoders.hf_text import HfText
from merbench_encoders.label_clip import LabelClip
from merbench_encoders.sequence import sinusoids
from merbench_encoders.waves import Waves
from tests.clips import frame, tone, write_clip
from tests.towers import PIECES, SIZES, tiny_clip, tiny_speech, tiny_text

CONTEXT = tiny.context()
TEXT = StreamSpec("text.transcript", "text", "strings")
VIDEO = StreamSpec("video.clip", "video", "clip")
AUDIO = StreamSpec("audio.clip", "audio", "clip")
TEXTS = (
    "the film was good",
    "bad",
    "",
    "a very long story about a boring film that nobody has ever liked, not even its maker",
)


@pytest.fixture(scope="module", autouse=True)
def clip_file(tmp_path_factory):
    return tiny_clip(tmp_path_factory.mktemp("clip"))


@pytest.fixture
def clip(clip_file):
    return open_clip.create_model("tiny-clip", str(clip_file)).eval()


@pytest.fixture
def offline(monkeypatch, tmp_path):
    """An empty cache and a network that refuses."""

    def refuse(*_, **__):
        raise ConnectionError("Name or service not known")

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(hub, "get_hf_file_metadata", refuse)
    return tmp_path / "cache"


def text_rows(texts=TEXTS):
    return TextRows(TEXT, np.array(texts), torch.tensor([int(bool(t)) for t in texts]))


def close(got, want):
    np.testing.assert_allclose(got.detach().numpy(), want.detach().numpy(), atol=2e-5, rtol=1e-4)


def make(kind, stream, **settings):
    torch.manual_seed(0)
    return kind(kind.Config(**settings), CONTEXT, stream)


def check_texts(encoder):
    """Any selection and order of rows gives each text the same states; a missing text gives none,
    and nothing is NaN.
    """
    prepared = encoder.prepare(text_rows())
    whole = encoder(prepared[torch.arange(4)])
    assert (
        torch.isfinite(whole.x_BLD).all()
        and not whole.mask_BL[2].any()
        and whole.x_BLD.shape[2] == encoder.width
    )
    for rows in ([1], [2], [1, 2], [3, 0, 1]):
        some = encoder(prepared[torch.tensor(rows)])
        assert torch.isfinite(some.x_BLD).all()
        for i, row in enumerate(rows):
            close(some.x_BLD[i][some.mask_BL[i]], whole.x_BLD[row][whole.mask_BL[row]])
    return whole


def check_tuning(make, inputs, loss=lambda steps: (steps.x_BLD[steps.mask_BL] ** 2).sum()):
    """Gradients where it is tuned; none, and evaluation mode for ever, where it is frozen."""
    frozen = make(tuned=False).train()
    assert (
        frozen.frozen
        and not frozen.net.training
        and not any(p.requires_grad for p in frozen.parameters())
    )
    assert not frozen(inputs).x_BLD.requires_grad
    tuned = make(tuned=True).train()
    assert not tuned.frozen and tuned.net.training
    loss(tuned(inputs)).backward()
    dead = [
        name for name, p in tuned.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0
    ]
    assert not dead, dead
    twin = make(tuned=True)
    with torch.no_grad():
        for p in twin.parameters():
            p += 1
    twin.load_state_dict(tuned.state_dict())
    close(twin.eval()(inputs).x_BLD, tuned.eval()(inputs).x_BLD)


# CLIP


def test_clip_text_ends_in_clips_own_text_embedding(clip, clip_file):
    encoder = make(ClipText, TEXT, model="tiny-clip", pretrained=str(clip_file))
    steps = check_texts(encoder)
    want = clip.encode_text(open_clip.get_tokenizer("tiny-clip")(list(TEXTS)))
    for i in (0, 1, 3):
        close(steps.x_BLD[i][steps.mask_BL[i]][-1], want[i])
    assert steps.mask_BL.sum(1).tolist() == [6, 3, 0, 12]  # start and end of text included
    assert encoder.measured == {"truncated_rate": 1 / 3}
    encoder.prepare(text_rows((" ".join(["bad"] * 10), " ".join(["bad"] * 11))))
    assert encoder.measured == {"truncated_rate": 1 / 2}


def test_clip_text_tunes_or_not(clip_file):
    inputs = make(ClipText, TEXT, model="tiny-clip", pretrained="random").prepare(text_rows())[
        torch.arange(4)
    ]
    check_tuning(lambda **s: make(ClipText, TEXT, model="tiny-clip", pretrained=None, **s), inputs)


def test_clip_image_is_clips_own_embedding_in_its_place(clip, clip_file):
    encoder = make(ClipImage, VIDEO, model="tiny-clip", pretrained=str(clip_file), frames=3)
    x = torch.rand(4, 5, 3, 32, 32)
    mask = torch.tensor([[1, 1, 0, 0, 0], [1, 1, 1, 1, 1], [0, 0, 0, 0, 0], [0, 1, 0, 1, 0]]).bool()
    steps = encoder(Frames(torch.where(mask[..., None, None, None], x, torch.nan), mask))
    assert (
        steps.x_BLD.shape == (4, 3, 16)
        and torch.isfinite(steps.x_BLD).all()
        and not steps.mask_BL[2].any()
    )
    mean, std = (
        torch.tensor(open_clip.OPENAI_DATASET_MEAN)[:, None, None],
        torch.tensor(open_clip.OPENAI_DATASET_STD)[:, None, None],
    )
    for row, frames in ((0, [0, 1]), (1, [0, 1, 3]), (3, [1, 3])):
        want = (
            clip.encode_image((x[row, frames] - mean) / std, normalize=True) * 4
            + sinusoids(3, 16)[: len(frames)]
        )
        close(steps.x_BLD[row][steps.mask_BL[row]], want)
    alone = encoder(Frames(x[:1, :2], mask[:1, :2]))
    close(alone.x_BLD[0], steps.x_BLD[0, :2])
    holes = encoder(Frames(x[:1, [2, 0, 1]], torch.tensor([[False, True, True]])))
    close(holes.x_BLD[0, 1:], steps.x_BLD[0, :2])
    assert torch.isfinite(encoder(Frames(x, mask & False)).x_BLD).all()


def test_clip_image_tunes_or_not():
    inputs = Frames(torch.rand(2, 2, 3, 32, 32), torch.tensor([[True, True], [False, False]]))
    weights = torch.randn(2, 16)
    check_tuning(
        lambda **s: make(ClipImage, VIDEO, model="tiny-clip", pretrained="random", **s),
        inputs,
        lambda steps: (steps.x_BLD[steps.mask_BL] * weights).sum(),
    )


def clip_rows(stream, *paths):
    return TextRows(
        stream, np.array([str(p) for p in paths]), torch.tensor([int(bool(p)) for p in paths])
    )


def test_clip_image_sees_frames_as_clips_own_preprocessing_makes_them(clip, clip_file, tmp_path):
    path = write_clip(tmp_path / "a.mp4", [frame(i) for i in range(20)])
    encoder = make(ClipImage, VIDEO, model="tiny-clip", pretrained=str(clip_file), frames=4)
    prepared = encoder.prepare(clip_rows(VIDEO, path, "", tmp_path / "gone.mp4"))
    steps = encoder(prepared[torch.arange(3)])
    assert steps.mask_BL.tolist() == [
        [True] * 4,
        [False] * 4,
        [False] * 4,
    ] and encoder.measured == {"clips_without": 1.0}
    own = image_transform_v2(PreprocessCfg(**clip.visual.preprocess_cfg), is_train=False)
    images = torch.stack(
        [own(Image.fromarray(image)) for image in read_frames(str(path), 4).values]
    )
    close(steps.x_BLD[0], clip.encode_image(images, normalize=True) * 4 + sinusoids(4, 16))
    assert not encoder(prepared[torch.tensor([1])]).mask_BL.any()


def test_hf_audio_hears_clips_at_its_own_rate(waves_folder, tmp_path):
    encoder = make(HfAudio, AUDIO, model=str(waves_folder("layer"))).eval()
    path = write_clip(tmp_path / "a.wav", None, tone(1, 22_050), rate=22_050, sound="pcm_s16le")
    prepared = encoder.prepare(clip_rows(AUDIO, "", path))
    waves = prepared[torch.arange(2)]
    assert waves.length_B.tolist() == [0, 8000]
    np.testing.assert_allclose(waves.wave_BS[1, 100:-100], tone(1, 8000)[0, 100:-100], atol=1e-3)
    assert encoder(waves).mask_BL.sum(1).tolist() == [0, encoder.frames(torch.tensor(8000))]
    assert not encoder(prepared[torch.tensor([0])]).mask_BL.any()


SPACE = LabelSpace(
    "class", ("happy", "sad", "calm"), ("feeling joy", "feeling sorrow", "feeling nothing")
)


def test_label_clip_is_clips_text_embedding_in_any_space(clip, clip_file):
    encoder = LabelClip(
        LabelClip.Config(
            model="tiny-clip", pretrained=str(clip_file), text="template", template="feels {}"
        ),
        CONTEXT,
    )
    for space in (None, SPACE):
        texts = [f"feels {word}" for word in (space or CONTEXT.space).words]
        close(
            encoder(space).emb_CD,
            clip.encode_text(open_clip.get_tokenizer("tiny-clip")(texts), normalize=True),
        )
    assert not any(p.requires_grad for p in encoder.parameters()) and encoder.width == 16
    with pytest.raises(RequestError, match="'happy' and 'HAPPY' have the same vector"):
        encoder(replace(SPACE, words=("happy", "HAPPY", "calm")))


@pytest.mark.parametrize(
    ("settings", "learns"),
    [({"context_tokens": 2}, {"context_NW"}), ({"tuned": True, "width": 6}, {"net", "project"})],
)
def test_label_clip_learns_what_it_is_told_to(settings, learns):
    torch.manual_seed(0)
    encoder = LabelClip(
        LabelClip.Config(model="tiny-clip", pretrained="random", **settings), CONTEXT
    )
    plain = LabelClip(LabelClip.Config(model="tiny-clip", pretrained="random"), CONTEXT)
    (encoder().emb_CD * torch.randn(7, encoder.width)).sum().backward()
    assert {
        name.partition(".")[0]
        for name, p in encoder.named_parameters()
        if p.grad is not None and p.grad.abs().sum() > 0
    } == learns
    assert encoder(SPACE).emb_CD.shape == (3, encoder.width)
    assert plain().emb_CD.shape == (7, 16)


def test_label_clip_context_tokens_stand_after_the_start(clip, clip_file):
    """A context token that is the embedding of a word does what the word does."""
    encoder = LabelClip(
        LabelClip.Config(model="tiny-clip", pretrained=str(clip_file), context_tokens=1), CONTEXT
    )
    ids = open_clip.get_tokenizer("tiny-clip")(["feels happy"])
    with torch.no_grad():
        encoder.context_NW[0] = clip.token_embedding(ids)[0, 1]
    close(encoder(SPACE).emb_CD[0], clip.encode_text(ids, normalize=True)[0])
    with pytest.raises(RequestError, match="context_tokens=11 and a label text exceed 12 tokens"):
        LabelClip(
            LabelClip.Config(model="tiny-clip", pretrained=str(clip_file), context_tokens=11),
            CONTEXT,
        )()


def test_clip_weights_have_a_digest(clip_file):
    config, frames = (
        kind.Config(model="tiny-clip", pretrained=str(clip_file)) for kind in (ClipText, ClipImage)
    )
    want = {
        "clip:tiny-clip:tiny-clip.safetensors": hashlib.sha256(
            hashlib.sha256(clip_file.read_bytes()).digest()
        ).hexdigest()
    }
    assert (
        ClipText.pretrained(config)
        == ClipImage.pretrained(frames)
        == LabelClip.pretrained(config)
        == want
    )
    assert ClipText.pretrained(ClipText.Config(model="tiny-clip", pretrained=None)) == {}
    assert ClipImage.sources(frames) == {
        "clip:tiny-clip:tiny-clip.safetensors": "tiny-clip.safetensors (local); no "
        "open_clip_config.json beside it: OpenAI's preprocessing and plain GELU assumed"
    }


class Bomb:
    def __reduce__(self):
        return pytest.fail, ("a pickle was run",)


def test_clip_mistakes_get_one_sentence(tmp_path):
    for settings, sentence in (
        ({"model": "ViT-B32"}, "open_clip has no model 'ViT-B32'; did you mean .*ViT-B-32"),
        (
            {"pretrained": "openia"},
            r"pretrained=openia is neither a file nor a tag of ViT-B-32 .*openai.*encoder\.text\.pretrained=random",
        ),
        ({"model": "ViT-B-16-SigLIP"}, "has no causal CLIP text tower"),
        ({"model": "coca_ViT-B-32"}, "has no causal CLIP text tower"),
    ):
        with pytest.raises(RequestError, match=sentence):
            make(ClipText, TEXT, **settings)
    (tmp_path / "bomb.pt").write_bytes(pickle.dumps(Bomb()))
    torch.save({"state_dict": {"x": torch.ones(1)}}, tmp_path / "other.pt")
    torch.save(Bomb(), tmp_path / "torch-bomb.pt")
    for file in ("bomb.pt", "torch-bomb.pt", "other.pt"):
        with pytest.raises(
            RequestError,
            match=rf"{file} cannot be loaded as tiny-clip .*--encoder text=word-vectors",
        ):
            make(ClipText, TEXT, model="tiny-clip", pretrained=str(tmp_path / file))


@pytest.mark.parametrize(
    ("kind", "without"),
    [(ClipText, "--encoder text=word-vectors"), (LabelClip, "--part label-encoder=label-vectors")],
)
def test_clip_weights_out_of_reach(kind, without, offline):
    with pytest.raises(RequestError) as caught:
        kind(kind.Config(), CONTEXT) if kind is LabelClip else make(kind, TEXT)
    sentence = str(caught.value)
    for part in (
        "ViT-B-32:openai",
        str(offline),
        "hf download timm/vit_base_patch32_clip_224.openai",
        "pretrained=PATH",
        without,
        "pretrained=random",
    ):
        assert part in sentence
    assert "\n" not in sentence


@pytest.mark.parametrize("dead", ["server", "names"])
def test_a_dead_network_costs_seconds(dead, offline, monkeypatch):
    monkeypatch.setattr(hub, "SECONDS", 0.2)
    calls = []

    def wait(*_, timeout, **__):
        calls.append(timeout)
        time.sleep(3 if dead == "names" else timeout)
        raise ConnectionError("too late")

    monkeypatch.setattr(hub, "get_hf_file_metadata", wait)
    start = time.monotonic()
    with pytest.raises(RequestError, match="is neither in the cache"):
        make(ClipText, TEXT)
    with pytest.raises(
        RequestError, match="the transformers model bert-base-uncased is neither in the cache"
    ):
        make(HfText, TEXT)
    assert time.monotonic() - start < 2 and calls == [0.2, 0.2]


def test_the_hubs_cache_is_read_without_a_network(offline, clip_file):
    repo = offline / "models--timm--vit_base_patch32_clip_224.openai"
    (repo / "refs").mkdir(parents=True)
    (repo / "refs" / "main").write_text("abc")
    (repo / "snapshots" / "abc").mkdir(parents=True)
    file = repo / "snapshots" / "abc" / "open_clip_model.safetensors"
    file.write_bytes(clip_file.read_bytes())
    assert ClipText.pretrained(ClipText.Config()).keys() == {"clip:ViT-B-32:openai"}
    assert ClipText.sources(ClipText.Config()) == {
        "clip:ViT-B-32:openai": "timm/vit_base_patch32_clip_224.openai@abc"
    }
    with pytest.raises(
        RequestError, match=r"open_clip_model\.safetensors cannot be loaded as ViT-B-32"
    ):
        make(ClipText, TEXT)


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


def test_hf_mistakes_get_one_sentence(text_folder, offline, tmp_path):
    folder = text_folder()
    with pytest.raises(RequestError, match=r"layer=3 is no hidden state .* one of -3 to 2"):
        make(HfText, TEXT, model=str(folder), layer=3)
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
