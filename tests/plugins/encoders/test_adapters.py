"""Adapters that a network never calls are left out; without any that acts there is a refusal."""

import pytest
import torch
from timm.models.eva import Eva
from torch import nn
from transformers import MambaConfig, MambaModel

from merbench.api import RequestError, StreamSpec
from merbench.testing import tiny
from merbench_encoders.adapters import add_adapters, drop_idle_adapters
from merbench_encoders.clip.image import ClipImage
from merbench_encoders.hf.audio import HfAudio
from merbench_encoders.hf.text import HfText
from merbench_encoders.sound.waves import Waves
from tests.towers import CLIP, tiny_clip, tiny_speech, tiny_text

CONTEXT = tiny.context()
RESNET = CLIP | {
    "vision_cfg": {"image_size": 32, "layers": [1, 1, 1, 1], "width": 8, "patch_size": None}
}


def names_of_adapters(net):
    return {n.split(".lora_")[0] for n, p in net.named_parameters() if p.requires_grad}


def moved(module, output):
    """Name of each trained parameter -> whether a random loss moves it, once B is not zero."""
    for name, parameter in module.named_parameters():
        if "lora_B" in name:
            nn.init.normal_(parameter, std=0.1)
    x = output()
    (x * torch.randn(x.shape)).sum().backward()
    return {
        name: parameter.grad is not None and bool(parameter.grad.abs().sum() > 0)
        for name, parameter in module.named_parameters()
        if parameter.requires_grad
    }


def test_wavlm_keeps_the_adapters_beside_its_feed_forward_layers(tmp_path):
    config = HfAudio.Config(model=str(tiny_speech(tmp_path, "wavlm")), lora_rank=2)
    tower = HfAudio(config, CONTEXT, StreamSpec("audio.x", "audio", "clip"))
    adapters = names_of_adapters(tower.net)
    assert any("intermediate_dense" in name for name in adapters)
    assert not any("q_proj" in name or "out_proj" in name for name in adapters)
    waves = Waves(torch.randn(2, 4000), torch.tensor([4000, 1000]))
    assert all(moved(tower, lambda: tower.train()(waves).x_BLD).values())


def test_eva_keeps_the_adapters_beside_layers_that_it_calls():
    """Its fused projection's weights are read directly, so that the keys have no bias."""
    net = Eva(img_size=32, patch_size=16, embed_dim=32, depth=1, num_heads=2, num_classes=0)
    pixels = torch.randn(1, 3, 32, 32)
    net.requires_grad_(False)
    add_adapters(net, 2)
    assert "blocks.0.attn.qkv" in names_of_adapters(net)
    drop_idle_adapters(net, lambda: net(pixels))
    assert names_of_adapters(net) == {"blocks.0.attn.proj", "blocks.0.mlp.fc1", "blocks.0.mlp.fc2"}
    assert all(moved(net, lambda: net(pixels)).values())


def test_a_resnet_whose_linear_layers_are_never_called_is_refused(tmp_path):
    weights = str(tiny_clip(tmp_path, RESNET, "tiny-resnet"))
    config = ClipImage.Config(model="tiny-resnet", pretrained=weights, lora_rank=2)
    with pytest.raises(RequestError, match=r"lora_rank finds no linear layer.*tuned=true"):
        ClipImage(config, CONTEXT, StreamSpec("video.x", "video", "clip"))


def test_a_network_that_peft_refuses_is_one_sentence():
    net = MambaModel(MambaConfig(hidden_size=8, num_hidden_layers=1, vocab_size=4, state_size=4))
    with pytest.raises(RequestError, match=r"no adapters into MambaModel.*tuned=true"):
        add_adapters(net, 2)


def test_layers_above_the_hidden_state_that_is_read_have_no_adapters(tmp_path):
    model = str(tiny_text(tmp_path))
    tower = HfText(
        HfText.Config(model=model, lora_rank=2, layer=1),
        CONTEXT,
        StreamSpec("text.x", "text", "strings"),
    )
    assert {name.split(".")[2] for name in names_of_adapters(tower.net)} == {"0"}


class ReadsOneDirectly(nn.Module):
    """``called`` is called, of ``read`` the weight is read, ``unused`` does nothing."""

    def __init__(self):
        super().__init__()
        self.called, self.read, self.unused = (nn.Linear(3, 3) for _ in range(3))
        self.dropout = nn.Dropout(0.5)

    def forward(self, x):
        x = self.dropout(self.called(x))
        return nn.functional.linear(x, self.read.weight, self.read.bias)


def test_the_layers_below_dropped_adapters_and_the_random_numbers_stay_as_they_were():
    net = ReadsOneDirectly().train().requires_grad_(False)
    layers = {name: net.get_submodule(name) for name in ("read", "unused")}
    add_adapters(net, 2)
    state = torch.get_rng_state()
    drop_idle_adapters(net, lambda: net(torch.ones(1, 3)))
    assert torch.equal(torch.get_rng_state(), state) and net.training and net.dropout.training
    assert all(net.get_submodule(name) is layer for name, layer in layers.items())
    assert hasattr(net.called, "lora_A") and all(p.grad is None for p in net.parameters())


def test_a_network_without_adapters_is_not_called():
    drop_idle_adapters(nn.Linear(2, 2), lambda: pytest.fail("called"))


def test_a_network_without_linear_layers_is_refused():
    with pytest.raises(RequestError, match="lora_rank finds no linear layer"):
        add_adapters(nn.Conv1d(1, 1, 1), 2)
