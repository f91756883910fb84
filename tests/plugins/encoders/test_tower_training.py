"""What is trained of a tower and what its state holds: nothing, adapters or all of it; and what a
frozen one computes in.
"""

import sys

import pytest
import torch

from merbench.api import RequestError, StreamSpec
from merbench.testing import tiny
from merbench_encoders.clip.image import ClipImage, Frames
from merbench_encoders.clip.text import ClipText
from merbench_encoders.hf.audio import HfAudio
from merbench_encoders.hf.clap import Clap
from merbench_encoders.hf.text import HfText
from merbench_encoders.labels.clip import LabelClip
from merbench_encoders.sound.waves import Waves
from tests.towers import tiny_clap, tiny_clip, tiny_speech, tiny_text

CONTEXT = tiny.context()


@pytest.fixture
def make(tmp_path):
    """Name -> (settings -> a tower, its inputs)."""
    torch.manual_seed(0)
    ids = torch.randint(5, 16, (2, 6))
    clip = str(tiny_clip(tmp_path))
    frames = Frames(torch.rand(2, 3, 3, 32, 32), torch.ones(2, 3, dtype=torch.bool))
    waves = Waves(torch.randn(2, 4000), torch.tensor([4000, 1000]))
    towers = {
        "clip-text": (ClipText, "text", {"model": "tiny-clip", "pretrained": clip}, None),
        "clip-image": (
            ClipImage,
            "video",
            {"model": "tiny-clip", "pretrained": clip},
            frames,
        ),
        "hf-text": (HfText, "text", {"model": str(tiny_text(tmp_path))}, None),
        "hf-audio": (HfAudio, "audio", {"model": str(tiny_speech(tmp_path, "layer"))}, waves),
        "clap": (Clap, "audio", {"model": str(tiny_clap(tmp_path)), "window": 0.2}, waves),
    }

    def make(name, **settings):
        kind, modality, tower_settings, inputs = towers[name]
        torch.manual_seed(1)
        tower = kind(
            kind.Config(**tower_settings, **settings),
            CONTEXT,
            StreamSpec(f"{modality}.x", modality, "strings"),
        )
        return tower, inputs or tiny_tokens(ids)

    return make


def tiny_tokens(ids):
    from merbench.api import Tokens

    return Tokens(ids, torch.ones_like(ids, dtype=torch.bool), torch.full_like(ids, -1))


NAMES = ["clip-text", "clip-image", "hf-text", "hf-audio", "clap"]


@pytest.mark.parametrize("name", NAMES)
def test_adapters_alone_are_trained_and_stored(make, name):
    plain, inputs = make(name)
    tower, _ = make(name, lora_rank=2)
    torch.testing.assert_close(
        tower.eval()(inputs).x_BLD, plain.eval()(inputs).x_BLD
    )  # an adapter starts as nothing
    assert not tower.frozen and not tower.train().net.training
    trained = {n for n, p in tower.named_parameters() if p.requires_grad}
    assert trained and all("lora_" in n for n in trained) and set(tower.state_dict()) == trained
    optimiser = torch.optim.SGD([p for p in tower.parameters() if p.requires_grad], lr=0.5)
    goal = torch.randn(plain(inputs).x_BLD.shape)
    for _ in range(3):
        optimiser.zero_grad()
        (tower(inputs).x_BLD * goal).mean().backward()
        optimiser.step()
    dead = [
        n for n, p in tower.named_parameters() if p.requires_grad and not p.grad.abs().sum() > 0
    ]
    assert not dead
    for (n, before), after in zip(
        plain.net.named_parameters(),
        (p for p in tower.net.parameters() if not p.requires_grad),
        strict=True,
    ):
        torch.testing.assert_close(after, before, rtol=0, atol=0, msg=n)
    twin, _ = make(name, lora_rank=2)
    twin.load_state_dict(tower.state_dict())
    torch.testing.assert_close(
        twin.eval()(inputs).x_BLD, tower.eval()(inputs).x_BLD, rtol=0, atol=0
    )


@pytest.mark.parametrize("name", NAMES)
def test_a_frozen_tower_is_no_part_of_the_state(make, name):
    tower, inputs = make(name)
    assert not tower.state_dict() and type(tower).fixed(type(tower).Config(model="x"))
    holder = torch.nn.ModuleDict({"video": tower, "rest": torch.nn.Linear(2, 2)})
    assert set(holder.state_dict()) == {"rest.weight", "rest.bias"}
    other, _ = make(name)
    torch.nn.ModuleDict({"video": other, "rest": torch.nn.Linear(2, 2)}).load_state_dict(
        holder.state_dict()
    )
    torch.testing.assert_close(
        other.eval()(inputs).x_BLD, tower.eval()(inputs).x_BLD, rtol=0, atol=0
    )


@pytest.mark.parametrize("name", NAMES)
def test_half_precision_comes_close_and_is_returned_as_float32(make, name):
    plain, inputs = make(name)
    half, _ = make(name, precision="bf16")
    actual, want = half.eval()(inputs).x_BLD, plain.eval()(inputs).x_BLD
    assert actual.dtype == torch.float32 and 0 < (actual - want).abs().max() < 0.15


def test_the_precision_of_a_label_encoder_is_that_of_its_tower(tmp_path):
    clip = str(tiny_clip(tmp_path))
    for more in ({}, {"context_tokens": 1}):
        outputs = []
        for precision in ("fp32", "bf16"):
            torch.manual_seed(0)
            encoder = LabelClip(
                LabelClip.Config(model="tiny-clip", pretrained=clip, precision=precision, **more),
                CONTEXT,
            )
            outputs.append(encoder.vectors(CONTEXT.space))
        assert (
            outputs[1].dtype == torch.float32 and 0 < (outputs[1] - outputs[0]).abs().max() < 0.15
        )


def test_a_label_encoder_keeps_its_tower_out_of_the_state(tmp_path):
    clip = str(tiny_clip(tmp_path))
    for settings, part in (({}, {"base_CD"}), ({"lora_rank": 2}, None)):
        encoder = LabelClip(
            LabelClip.Config(model="tiny-clip", pretrained=clip, **settings), CONTEXT
        )
        state = set(encoder.state_dict())
        assert state == part if part else state and all("lora_" in name for name in state)


def test_a_tower_is_tuned_or_has_adapters(make, monkeypatch):
    with pytest.raises(RequestError, match="set one of them"):
        make("hf-text", tuned=True, lora_rank=2)
    monkeypatch.setitem(sys.modules, "peft", None)
    with pytest.raises(
        RequestError, match=r"lora_rank needs peft.*pip install 'merbench-encoders\[lora\]'"
    ):
        make("hf-text", lora_rank=2)
    untrained = [{"pretrained": "random"}, {"pretrained": None}]
    assert not any(
        ClipText.fixed(ClipText.Config(**s))
        for s in ({"tuned": True}, {"lora_rank": 1}, *untrained)
    )
