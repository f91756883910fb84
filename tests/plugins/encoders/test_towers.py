"""Pretrained towers, as tiny random networks: against the libraries' own answers, text by text and
wave by wave. No network is used.
"""

import hashlib
import pickle
import threading
import time
from dataclasses import replace

import open_clip
import pytest
import torch
from huggingface_hub import constants
from open_clip.transform import PreprocessCfg, image_transform_v2
from PIL import Image

from merbench.api import LabelSpace, RequestError, StreamSpec, read_frames
from merbench.testing import tiny
from merbench_encoders import hub
from merbench_encoders.clip.image import ClipImage, Frames
from merbench_encoders.clip.text import ClipText
from merbench_encoders.hf.text import HfText
from merbench_encoders.labels.clip import LabelClip
from merbench_encoders.sequence import sinusoids
from tests.clips import frame, write_clip
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
from tests.towers import CLIP, tiny_clip

VIDEO = StreamSpec("video.clip", "video", "clip")


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


COCA = {
    "embed_dim": 16,
    "vision_cfg": {
        **CLIP["vision_cfg"],
        "attentional_pool": True,
        "attn_pooler_heads": 2,
        "output_tokens": True,
    },
    "text_cfg": {**CLIP["text_cfg"], "embed_cls": True, "output_tokens": True},
    "multimodal_cfg": {**CLIP["text_cfg"], "attn_pooler_heads": 2},
    "custom_text": True,
}


def test_cocas_image_tower_gives_its_pooled_embedding(tmp_path):
    weights = str(tiny_clip(tmp_path, COCA, "tiny-coca"))
    settings = {"model": "tiny-coca", "pretrained": weights, "frames": 1}
    encoder = ClipImage(ClipImage.Config(**settings), tiny.context(), VIDEO).eval()
    x_BTCHW = torch.rand(3, 1, 3, 32, 32)
    pixels = (x_BTCHW[:, 0] - encoder.mean_C11) / encoder.scale_C11
    reference = open_clip.create_model("tiny-coca").eval()
    open_clip.load_checkpoint(reference, weights)
    with torch.no_grad():
        steps = encoder(Frames(x_BTCHW, torch.ones(3, 1, dtype=torch.bool)))
        want = reference.encode_image(pixels, normalize=True) * 16**0.5
    torch.testing.assert_close(steps.x_BLD[:, 0] - encoder.place_TD[0], want)


TEXT_TOWERS = {"none": {"proj_type": "none"}, "bias": {"proj_bias": True}, "eos": {"pool_type": "eos", "eos_id": 49407}}  # fmt: skip


@pytest.mark.parametrize("tower", TEXT_TOWERS)
def test_text_towers_of_other_makes_end_in_their_own_embedding(tower, tmp_path):
    settings = {**CLIP, "custom_text": True, "text_cfg": {**CLIP["text_cfg"], **TEXT_TOWERS[tower]}}
    weights = str(tiny_clip(tmp_path, settings, f"tiny-{tower}"))
    config = ClipText.Config(model=f"tiny-{tower}", pretrained=weights)
    encoder = ClipText(config, tiny.context(), StreamSpec("text.x", "text", "strings")).eval()
    reference = open_clip.create_model(f"tiny-{tower}").eval()
    open_clip.load_checkpoint(reference, weights)
    with torch.no_grad():
        steps = encoder(encoder.tokenizer(["a good film"])[torch.tensor([0])])
        ids = open_clip.get_tokenizer(f"tiny-{tower}")(["a good film"])
        torch.testing.assert_close(steps.x_BLD[0, -1], reference.encode_text(ids)[0])


def test_a_text_tower_whose_embedding_is_at_no_end_of_text_is_refused(tmp_path):
    settings = {**CLIP, "custom_text": True, "text_cfg": {**CLIP["text_cfg"], "pool_type": "first"}}
    weights = str(tiny_clip(tmp_path, settings, "tiny-first"))
    config = ClipText.Config(model="tiny-first", pretrained=weights)
    with pytest.raises(RequestError, match="tiny-first has no causal CLIP text tower"):
        ClipText(config, tiny.context(), StreamSpec("text.x", "text", "strings"))


def test_clip_image_tunes_or_not():
    inputs = Frames(torch.rand(2, 2, 3, 32, 32), torch.tensor([[True, True], [False, False]]))
    weights = torch.randn(2, 16)
    check_tuning(
        lambda **s: make(ClipImage, VIDEO, model="tiny-clip", pretrained="random", **s),
        inputs,
        lambda steps: (steps.x_BLD[steps.mask_BL] * weights).sum(),
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
    reference = image_transform_v2(PreprocessCfg(**clip.visual.preprocess_cfg), is_train=False)
    images = torch.stack(
        [reference(Image.fromarray(image)) for image in read_frames(str(path), 4).values]
    )
    close(steps.x_BLD[0], clip.encode_image(images, normalize=True) * 4 + sinusoids(4, 16))
    assert not encoder(prepared[torch.tensor([1])]).mask_BL.any()


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
        threading.Event().wait(600 if dead == "names" else timeout)
        raise ConnectionError("too late")

    monkeypatch.setattr(hub, "get_hf_file_metadata", wait)
    start = time.monotonic()
    with pytest.raises(RequestError, match="is neither in the cache"):
        make(ClipText, TEXT)
    with pytest.raises(
        RequestError, match="the transformers model bert-base-uncased is neither in the cache"
    ):
        make(HfText, TEXT)
    assert time.monotonic() - start < 300 and calls == [0.2, 0.2]


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
