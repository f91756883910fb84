"""What belongs to CLIP weights (mean, deviation, interpolation, resize mode, activation) comes with
them, whether they are named by a tag, a file, a folder, ``hf-hub:`` or ``local-dir:``.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict
from pathlib import Path

import numpy as np
import open_clip
import pytest
import torch
from huggingface_hub import constants
from open_clip.pretrained import get_pretrained_cfg
from open_clip.transform import PreprocessCfg, image_transform_v2, merge_preprocess_dict
from open_clip.transformer import QuickGELU
from PIL import Image

from merbench.api import RequestError, StreamSpec
from merbench.testing import tiny
from merbench_encoders.clip import weights as clip_weights
from merbench_encoders.clip.config import ClipConfig
from merbench_encoders.clip.image import ClipImage
from merbench_encoders.clip.text import ClipText
from merbench_encoders.clip.weights import checkpoint
from tests.towers import CLIP, tiny_clip

TEXT = StreamSpec("text.transcript", "text", "strings")
VIDEO = StreamSpec("video.clip", "video", "clip")
PAIRS = open_clip.list_pretrained()
OF_IMAGES = {"mean", "std", "interpolation", "resize_mode", "fill_color"}


def test_every_pair_of_open_clip_keeps_what_belongs_to_it(monkeypatch):
    monkeypatch.setattr(clip_weights, "hub_file", lambda *_: Path("weights.safetensors"))
    plain = asdict(PreprocessCfg())
    others = 0
    for model, tag in PAIRS:
        known = get_pretrained_cfg(model, tag)
        weights = checkpoint(ClipConfig(model=model, pretrained=tag), "")
        want = merge_preprocess_dict(plain, {k: v for k, v in known.items() if k != "size"})
        assert merge_preprocess_dict(plain, dict(weights.preprocess)) == want, (model, tag)
        assert weights.quick_gelu == bool(known.get("quick_gelu", False)), (model, tag)
        others += want != plain
    assert len(PAIRS) > 150 and others > 50


@pytest.fixture
def tiny_tower(tmp_path):
    return tiny_clip(tmp_path)


SIGLIP = ("ViT-B-16-SigLIP", "webli")
OTHER_MEAN = ("ViT-L-14", "laion2b_s32b_b82k")
USUAL = ("ViT-B-32", "openai")


def towers_images(config, images):
    encoder = ClipImage(config, tiny.context(), VIDEO)
    shrunk = np.stack([encoder._shrunk(image).numpy() for image in images]) / 255
    return (shrunk - encoder.mean_C11.numpy()) / encoder.scale_C11.numpy()


@pytest.mark.parametrize("pair", [SIGLIP, OTHER_MEAN, USUAL])
@pytest.mark.parametrize("named", ["tag", "file"])
def test_three_by_pixels(pair, named, tiny_tower, monkeypatch):
    """On a tiny architecture, in the place of the pair's own, which would be large."""
    known = get_pretrained_cfg(*pair)
    pretrained = str(tiny_tower)
    if named == "tag":
        monkeypatch.setattr(clip_weights, "hub_file", lambda *_: tiny_tower)
        saved_config = {"hf_hub": "a/b/", **{k: v for k, v in known.items() if k in OF_IMAGES}}
        monkeypatch.setattr(clip_weights.lists(), "get_pretrained_cfg", lambda *_: saved_config)
        pretrained = "tag"
    else:
        described = {"preprocess_cfg": {k: v for k, v in known.items() if k in OF_IMAGES}}
        tiny_tower.with_name("open_clip_config.json").write_text(json.dumps(described))
    images = np.random.default_rng(0).integers(0, 256, (2, 40, 56, 3), dtype=np.uint8)
    actual = towers_images(ClipImage.Config(model="tiny-clip", pretrained=pretrained), images)
    settings = merge_preprocess_dict(asdict(PreprocessCfg(size=32)), {**known, "size": 32})
    own_way = image_transform_v2(PreprocessCfg(**settings), is_train=False)
    want = np.stack([own_way(Image.fromarray(image)).numpy() for image in images])
    np.testing.assert_allclose(actual, want, atol=1e-5)


NAMES = ("tag", "file", "cached file", "folder", "hf-hub", "local-dir", "hub's weights")
OTHERS = {
    "mean": [0.5, 0.4, 0.3],
    "std": [0.5, 0.6, 0.7],
    "interpolation": "bilinear",
    "resize_mode": "squash",
}
REPO = "someone/tiny"


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """``(folder, cache)``: a model with QuickGELU as open_clip saves it; and a hub's cache with it."""
    home = tmp_path_factory.mktemp("saved")
    weights = tiny_clip(home)
    cache = home / "hub" / f"models--{REPO.replace('/', '--')}"
    snapshot = cache / "snapshots" / ("a" * 40)
    described = {"model_cfg": {**CLIP, "quick_gelu": True}, "preprocess_cfg": OTHERS}
    for folder in (home / "folder", snapshot):
        folder.mkdir(parents=True)
        shutil.copy(weights, folder / "open_clip_model.safetensors")
        (folder / "open_clip_config.json").write_text(json.dumps(described))
    (cache / "refs").mkdir()
    (cache / "refs" / "main").write_text("a" * 40)
    return home / "folder", home / "hub"


@pytest.fixture
def named(saved, monkeypatch):
    """Ways to name one model -> ClipImage's settings."""
    folder, cache = saved
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(cache))
    known = {"hf_hub": f"{REPO}/", "quick_gelu": True, **OTHERS}
    lists = clip_weights.lists()
    monkeypatch.setattr(lists, "get_pretrained_cfg", lambda _, tag: known if tag == "tag" else {})
    monkeypatch.setattr(lists, "list_pretrained_tags_by_model", lambda _: ["tag"])
    alone = cache / f"models--{REPO.replace('/', '--')}" / "snapshots" / ("b" * 40)
    alone.mkdir(exist_ok=True)
    shutil.copy(folder / "open_clip_model.safetensors", alone)
    weights = "open_clip_model.safetensors"
    ways = {
        "tag": ("tiny-clip", "tag"),
        "file": ("tiny-clip", str(folder / weights)),
        "cached file": ("tiny-clip", str(alone / weights)),
        "folder": ("tiny-clip", str(folder)),
        "hf-hub": (f"hf-hub:{REPO}", "openai"),
        "local-dir": (f"local-dir:{folder}", "openai"),
        "hub's weights": ("tiny-clip", f"hf-hub:{REPO}"),
    }
    return lambda way: {"model": ways[way][0], "pretrained": ways[way][1]}


@pytest.mark.parametrize("way", NAMES)
def test_pixels_and_activation_are_open_clips_own_however_it_is_named(way, named, saved):
    images = np.random.default_rng(0).integers(0, 256, (2, 40, 56, 3), dtype=np.uint8)
    reference, _, preprocess = open_clip.create_model_and_transforms(f"local-dir:{saved[0]}")
    encoder = ClipImage(ClipImage.Config(**named(way), frames=2), tiny.context(), VIDEO)
    shrunk_THWC = np.stack([encoder._shrunk(image).numpy() for image in images])
    pixels = (shrunk_THWC / 255 - encoder.mean_C11.numpy()) / encoder.scale_C11.numpy()
    want = torch.stack([preprocess(Image.fromarray(image)) for image in images])
    np.testing.assert_allclose(pixels, want.numpy(), atol=1e-5)
    with torch.no_grad():
        actual, plain = encoder.net(want), reference.eval().visual(want)
    torch.testing.assert_close(actual, plain)
    assert any(isinstance(module, QuickGELU) for module in encoder.net.modules())


@pytest.mark.parametrize("way", ["hf-hub", "local-dir", "hub's weights"])
def test_texts_are_open_clips_own_however_it_is_named(way, named, saved):
    reference = open_clip.create_model(f"local-dir:{saved[0]}").eval()
    ids = open_clip.get_tokenizer(f"local-dir:{saved[0]}")(["a good film"])
    encoder = ClipText(ClipText.Config(**named(way)), tiny.context(), TEXT)
    with torch.no_grad():
        steps = encoder(encoder.tokenizer(["a good film"])[torch.tensor([0])])
        torch.testing.assert_close(steps.x_BLD[0, -1], reference.encode_text(ids)[0])


def test_weights_and_their_description_have_one_digest(named, saved):
    digests = [ClipImage.pretrained(ClipImage.Config(**named(way))) for way in NAMES]
    assert [list(digest) for digest in digests[4:6]] == [
        [f"clip:hf-hub:{REPO}"],
        ["clip:local-dir:folder"],
    ]
    (described,) = {value for way in digests[3:] for value in way.values()}
    (alone,) = {*digests[0].values(), *digests[2].values()}
    assert described == digests[1].popitem()[1] != alone
    source = ClipImage.sources(ClipImage.Config(**named("hf-hub")))
    assert source == {f"clip:hf-hub:{REPO}": f"{REPO}@{'a' * 40}"}


MISTAKES = {
    "no description": ({}, "has no open_clip_config.json"),
    "not json": ({"open_clip_config.json": "{"}, "open_clip_config.json cannot be read"),
    "no table": ({"open_clip_config.json": "[]"}, "holds no table of settings"),
    "no model_cfg": ({"open_clip_config.json": json.dumps(CLIP)}, "not describe an architecture"),
    "no weights": (
        {"open_clip_config.json": json.dumps({"model_cfg": CLIP})},
        "has no weights; name one file",
    ),
    "two weights": (
        {"open_clip_config.json": json.dumps({"model_cfg": CLIP}), "a.bin": "", "b.pt": ""},
        r"several files of weights \(a.bin, b.pt\)",
    ),
    "two means": (
        {
            "open_clip_config.json": json.dumps(
                {"model_cfg": CLIP, "preprocess_cfg": {"mean": [0.5, 0.5]}}
            ),
            "model.pth": "",
        },
        "preprocess_cfg.mean",
    ),
    "another mode": (
        {
            "open_clip_config.json": json.dumps(
                {"model_cfg": CLIP, "preprocess_cfg": {"resize_mode": "stretch"}}
            ),
            "model.pth": "",
        },
        "preprocess_cfg.resize_mode",
    ),
    "broken weights": (
        {"open_clip_config.json": json.dumps({"model_cfg": CLIP}), "model.safetensors": "x"},
        "cannot be loaded",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_folder_that_cannot_be_read_is_one_sentence(mistake, tmp_path):
    files, sentence = MISTAKES[mistake]
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    with pytest.raises(RequestError, match=sentence):
        ClipImage(ClipImage.Config(model=f"local-dir:{tmp_path}"), tiny.context(), VIDEO)


def test_two_names_for_weights_and_a_folder_that_is_not_there_are_one_sentence(saved):
    folder = f"local-dir:{saved[0]}"
    for settings, sentence in (
        ({"model": folder, "pretrained": "laion2b"}, "brings its own weights"),
        ({"model": "local-dir:nowhere"}, "there is no folder nowhere"),
        ({"model": "local-dir:"}, "open_clip_config.json"),
        ({"model": "hf-hub:"}, "'' is no name of a model on the hub"),
        ({"model": "ViT-B-32", "pretrained": "hf-hub:a/b/c"}, "'a/b/c' is no name of a model"),
    ):
        with pytest.raises(RequestError, match=sentence):
            ClipImage(ClipImage.Config(**settings), tiny.context(), VIDEO)
    untrained = ClipImage.Config(model=folder, pretrained="random")
    assert ClipImage.pretrained(untrained) == {}
    assert ClipImage(untrained, tiny.context(), VIDEO).width == CLIP["embed_dim"]


def test_the_older_description_gives_its_activation_to_a_named_architecture(saved, tmp_path):
    shutil.copy(saved[0] / "open_clip_model.safetensors", tmp_path)
    (tmp_path / "open_clip_config.json").write_text(json.dumps({**CLIP, "quick_gelu": True}))
    assert checkpoint(ClipConfig(model="tiny-clip", pretrained=str(tmp_path)), "").quick_gelu
