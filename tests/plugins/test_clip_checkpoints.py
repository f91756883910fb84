"""What belongs to CLIP weights (mean, deviation, interpolation, resize mode, activation) comes with
them, whether they are named by a tag or by a file.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import open_clip
import pytest
from open_clip.pretrained import get_pretrained_cfg
from open_clip.transform import PreprocessCfg, image_transform_v2, merge_preprocess_dict
from PIL import Image

from merbench.api import StreamSpec
from merbench.testing import tiny
from merbench_encoders import clip
from merbench_encoders.clip import ClipConfig, checkpoint
from merbench_encoders.clip_image import ClipImage
from tests.towers import tiny_clip

VIDEO = StreamSpec("video.clip", "video", "clip")
PAIRS = open_clip.list_pretrained()


def test_every_pair_of_open_clip_keeps_what_belongs_to_it(monkeypatch):
    monkeypatch.setattr(clip, "hub_file", lambda *_: Path("weights.safetensors"))
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
        monkeypatch.setattr(clip, "hub_file", lambda *_: tiny_tower)
        own = {"hf_hub": "a/b/", **{k: v for k, v in known.items() if k in clip._OF_IMAGES}}
        monkeypatch.setattr(clip._lists(), "get_pretrained_cfg", lambda *_: own)
        pretrained = "tag"
    else:
        described = {"preprocess_cfg": {k: v for k, v in known.items() if k in clip._OF_IMAGES}}
        tiny_tower.with_name("open_clip_config.json").write_text(json.dumps(described))
    images = np.random.default_rng(0).integers(0, 256, (2, 40, 56, 3), dtype=np.uint8)
    got = towers_images(ClipImage.Config(model="tiny-clip", pretrained=pretrained), images)
    settings = merge_preprocess_dict(asdict(PreprocessCfg(size=32)), {**known, "size": 32})
    own_way = image_transform_v2(PreprocessCfg(**settings), is_train=False)
    want = np.stack([own_way(Image.fromarray(image)).numpy() for image in images])
    np.testing.assert_allclose(got, want, atol=1e-5)
