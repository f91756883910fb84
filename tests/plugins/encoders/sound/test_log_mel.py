"""``log-mel`` against transformers' spectrogram and SciPy's cosine transform."""

import numpy as np
import pytest
import torch
from scipy.fft import dct
from transformers.audio_utils import mel_filter_bank, spectrogram, window_function

from merbench.api import StreamSpec, TextRows
from merbench.testing import tiny
from merbench_encoders.sound.log_mel import HOP, RATE, WINDOW, LogMel
from merbench_encoders.sound.waves import Waves
from tests.clips import write_clip

SPEC = StreamSpec("audio.clip", "audio", "clip")


def make(**settings):
    config = LogMel.Config(**{"bands": 16, "coefficients": 5, "frames": 4, **settings})
    return LogMel(config, tiny.context(), SPEC)


def noise(samples: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(samples, generator=torch.Generator().manual_seed(seed)) / 4


def normal(x_LD: np.ndarray) -> np.ndarray:
    return (x_LD - x_LD.mean(0)) / x_LD.std(0)


@pytest.mark.parametrize("kind", ["log-mel", "mfcc"])
def test_a_step_is_the_mean_of_its_frames(kind):
    wave = noise(4000)  # 23 frames: five steps, the last of seven frames
    log_MT = spectrogram(
        wave.numpy(),
        window_function(WINDOW, "hann"),
        WINDOW,
        HOP,
        fft_length=512,
        center=False,
        mel_filters=mel_filter_bank(
            257, 16, 0.0, RATE / 2, RATE, norm="slaney", mel_scale="slaney"
        ),
        power=2.0,
        log_mel="log10",
    )
    x_TD = log_MT.T if kind == "log-mel" else dct(log_MT.T, norm="ortho")[:, :5]
    expected = np.stack([x_TD[start:stop].mean(0) for start, stop in _spans(len(x_TD), 4)])
    encoder = make(kind=kind)
    steps = encoder(Waves(wave[None], torch.tensor([4000])))
    assert steps.x_BLD.shape == (1, 5, encoder.width) and steps.mask_BL.all()
    np.testing.assert_allclose(steps.x_BLD[0].numpy(), normal(expected), atol=2e-3)


def _spans(frames: int, size: int) -> list[tuple[int, int]]:
    starts = list(range(0, frames - size + 1, size))
    return list(zip(starts, [*starts[1:], frames], strict=True))


def test_a_row_in_a_batch_is_the_row_alone_and_less_than_two_steps_is_missing():
    two_steps = WINDOW + 7 * HOP
    lengths = [4000, 0, WINDOW, two_steps - 1, two_steps]
    waves = [noise(n, seed) for seed, n in enumerate(lengths)]
    wave_BS = torch.full((5, 4000), torch.nan)
    for row, wave in enumerate(waves):
        wave_BS[row, : len(wave)] = wave
    encoder = make()
    together = encoder(Waves(wave_BS, torch.tensor(lengths)))
    assert together.mask_BL.sum(1).tolist() == [5, 0, 0, 0, 2]
    assert torch.isfinite(together.x_BLD).all()
    assert together.x_BLD[together.mask_BL].abs().sum(1).min() > 0, "a step of zeros says nothing"
    for row, wave in enumerate(waves):
        alone = encoder(Waves(wave[None], torch.tensor([len(wave)])))
        real = alone.mask_BL[0]
        torch.testing.assert_close(together.x_BLD[row][together.mask_BL[row]], alone.x_BLD[0][real])


def test_loudness_of_the_recording_and_silence_do_not_matter():
    encoder, wave = make(), noise(4000)
    length = torch.tensor([4000])
    torch.testing.assert_close(
        encoder(Waves(wave[None] / 8, length)).x_BLD, encoder(Waves(wave[None], length)).x_BLD,
        atol=1e-3, rtol=1e-3,
    )  # fmt: skip
    assert encoder(Waves(torch.zeros(1, 4000), length)).x_BLD.abs().max() == 0


def test_a_clip_that_is_too_short_is_named(tmp_path):
    path = write_clip(
        tmp_path / "a.wav", wave=noise(1500)[None].numpy(), rate=RATE, sound="pcm_f32le"
    )
    encoder = make()
    clips = encoder.prepare(TextRows(SPEC, np.array([str(path)]), torch.tensor([1])))
    assert not encoder(clips[torch.tensor([0])]).mask_BL.any()
    assert clips.notes == {0: "its sound is shorter than 95 ms"}
    assert encoder.measured == {"clips_without": 1.0}


def test_it_is_kept_in_the_cache(catalog):
    component = catalog.component("encoder", "log-mel")
    assert component.version and LogMel.fixed(LogMel.Config()) and make().frozen
