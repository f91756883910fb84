"""``clap`` against transformers' own feature extractor and model, window by window."""

import json

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from transformers import (
    ClapAudioModelWithProjection,
    ClapConfig,
    ClapFeatureExtractor,
    ClapModel,
)

from merbench.api import RequestError, StreamSpec
from merbench.testing import tiny
from merbench_encoders.hf import clap
from merbench_encoders.hf.clap import Clap
from merbench_encoders.sequence import sinusoids
from merbench_encoders.sound.waves import Waves
from tests.towers import CLAP, SIZES, tiny_clap

AUDIO = StreamSpec("audio.clip", "audio", "clip")


def make(folder, **settings):
    torch.manual_seed(0)
    return Clap(
        Clap.Config(model=str(folder), **{"window": 0.5, "hop": 0.25, **settings}),
        tiny.context(),
        AUDIO,
    ).eval()


@pytest.mark.parametrize("fused", [False, True])
def test_a_step_is_claps_embedding_of_its_window(tmp_path, fused):
    folder = tiny_clap(tmp_path, fused)
    encoder = make(folder, longest=4)
    assert (encoder.sampling_rate, encoder.width, encoder.frozen) == (8000, 12, True)
    wave, length = torch.randn(4, 12_000) / 4, torch.tensor([8900, 0, 2500, 12_000])
    real = torch.arange(12_000) < length[:, None]
    steps = encoder(Waves(torch.where(real, wave, torch.nan), length))
    assert steps.mask_BL.sum(1).tolist() == [4, 0, 1, 4] and torch.isfinite(steps.x_BLD).all()
    net, reader = (
        ClapAudioModelWithProjection.from_pretrained(folder).eval(),
        ClapFeatureExtractor.from_pretrained(folder),
    )
    for row, windows in ((0, [0, 2000, 4000, 4900]), (2, [0]), (3, [0, 2000, 4000, 6000])):
        for step, start in enumerate(windows):
            piece = wave[row, start : min(start + 4000, int(length[row]))].numpy()
            mels, _ = reader._get_input_mel(
                piece, reader.nb_max_samples, reader.truncation, reader.padding
            )
            mels_tensor = torch.from_numpy(np.asarray(mels)).float()[None]
            want = (
                F.normalize(
                    net(mels_tensor, torch.zeros(1, 1, dtype=torch.bool)).audio_embeds[0], dim=-1
                )
                * 12**0.5
                + sinusoids(4, 12)[step]
            )
            np.testing.assert_allclose(
                steps.x_BLD[row, step].numpy(), want.detach().numpy(), atol=2e-4
            )
    alone = encoder(Waves(wave[2:3, :2500], length[2:3]))
    np.testing.assert_allclose(alone.x_BLD[0], steps.x_BLD[2, :1], atol=1e-5)
    assert not encoder(Waves(wave[:, :0], length * 0)).mask_BL.any()


def test_windows_go_through_the_tower_a_few_at_a_time(tmp_path, monkeypatch):
    encoder = make(tiny_clap(tmp_path))
    waves = Waves(torch.randn(2, 12_000) / 4, torch.tensor([12_000, 8000]))
    sizes = []
    encoder.net.register_forward_hook(lambda net, args, out: sizes.append(len(out.audio_embeds)))
    want = encoder(waves).x_BLD
    monkeypatch.setattr(clap, "_WINDOWS_AT_ONCE", 3)
    torch.testing.assert_close(encoder(waves).x_BLD, want)
    assert sizes == [8, 3, 3, 2]


def test_clap_tunes_or_not(tmp_path):
    folder = tiny_clap(tmp_path)
    inputs = Waves(torch.randn(3, 6000), torch.tensor([6000, 0, 3000]))
    frozen = make(folder).train()
    assert not frozen.net.training and not frozen(inputs).x_BLD.requires_grad
    tuned = make(folder, tuned=True).train()
    (tuned(inputs).x_BLD * torch.randn(3, 2, 12)).sum().backward()
    assert not [n for n, p in tuned.named_parameters() if p.grad is None]


WHOLE = {"projection_dim": 20, "projection_hidden_act": "gelu"}


@pytest.fixture
def whole(tmp_path):
    """A CLAP of both towers, whose configuration says once how they are projected."""
    folder = tiny_clap(tmp_path)
    settings = ClapConfig(text_config=SIZES, audio_config=CLAP, **WHOLE)
    torch.manual_seed(0)
    ClapModel(settings).half().save_pretrained(folder)
    file = folder / "config.json"
    described = json.loads(file.read_text())
    for name in WHOLE:
        del described["audio_config"][name]
    file.write_text(json.dumps(described))
    return folder


def test_a_model_of_both_towers_projects_as_its_configuration_says(whole):
    """In single precision, whatever the file's."""
    encoder, net = make(whole), ClapModel.from_pretrained(whole, dtype=torch.float32).eval()
    assert encoder.width == 20 and {p.dtype for p in encoder.parameters()} == {torch.float32}
    wave_1S = torch.randn(1, 4000)
    with torch.no_grad():
        mels = {"input_features": encoder.mels(wave_1S), "is_longer": torch.zeros(1, 1).bool()}
        want = net.get_audio_features(**mels).pooler_output
        steps = encoder(Waves(wave_1S, torch.tensor([4000])))
    got = steps.x_BLD[0] - sinusoids(1, 20)
    torch.testing.assert_close(got, F.normalize(want, dim=-1) * 20**0.5, atol=1e-5, rtol=1e-4)
    untrained = make(whole, pretrained="random")
    assert untrained.width == 20 and {p.dtype for p in untrained.parameters()} == {torch.float32}


def test_a_window_longer_than_the_towers_input_is_refused(tmp_path):
    """Repeated no whole time, it would be silence to the tower."""
    folder = tiny_clap(tmp_path)
    with pytest.raises(RequestError, match=r"hears 1 s at a time, and window=2 is longer"):
        make(folder, window=2.0)
    wave_1S = torch.randn(1, 8000)
    assert make(folder, window=1.0).mels(wave_1S).std() > 1


def test_what_is_assumed_of_waves_is_said_and_refused_where_it_cannot_be(whole):
    config = Clap.Config(model=str(whole))
    assert list(Clap.sources(config).values()) == ["clap (local)"]
    (whole / "preprocessor_config.json").unlink()
    (source,) = Clap.sources(config).values()
    assert "no preprocessor_config.json beside it: the settings of CLAP's first weights" in source
    with pytest.raises(
        RequestError, match="reads 16 mel bands, and its files describe waves as 64"
    ):
        make(whole)
