"""``opensmile`` against the package itself, on speech that a script synthesises; and a clip folder
from ``data add`` to a run.
"""

from __future__ import annotations

import csv
from importlib.util import find_spec

import numpy as np
import pytest
import torch

from merbench.api import RequestError, StreamSpec, TextRows
from merbench.testing import tiny
from merbench_encoders.sound.open_smile import LOUDEST, OpenSmile, described
from tests.clips import write_clip
from tests.conftest import loads
from tests.speech import RATE, say

MODES = ("train", "train", "valid", "test")
SPEC = StreamSpec("audio.clip", "audio", "clip")


def encoder(**settings):
    return OpenSmile(OpenSmile.Config(**settings), tiny.context(), SPEC)


@pytest.fixture(scope="module")
def opensmile():
    return pytest.importorskip("opensmile", reason="pip install 'merbench-encoders[opensmile]'")


def test_without_the_package_it_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "opensmile", None)
    with pytest.raises(RequestError, match=r"pip install 'merbench-encoders\[opensmile\]'"):
        encoder()


def extractor(opensmile, features, level):
    return opensmile.Smile(opensmile.FeatureSet[features], opensmile.FeatureLevel[level])


def test_full_scale_does_not_wrap(opensmile):
    """openSMILE by itself hears a sample of 1 as -1: findings/opensmile-full-scale.sh."""
    smile = extractor(opensmile, "eGeMAPSv02", "LowLevelDescriptors")
    wave_S = say("ao").astype(np.float32)[0]
    wave_S[::200] = 1.0
    below_S = np.minimum(wave_S, LOUDEST)
    want = smile.process_signal(below_S, RATE).to_numpy()
    assert np.array_equal(described(smile, wave_S), want)
    assert not np.allclose(smile.process_signal(wave_S, RATE).to_numpy(), want, atol=0.1)


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    """Speech in files without loss, among them 50 ms, and none."""
    folder = tmp_path_factory.mktemp("speech")
    waves = [say("so good", 140.0), say("a film"), say("no", 90.0), say("o")[:, :800]]
    paths = [folder / f"{i}.wav" for i in range(len(waves))]
    for path, wave in zip(paths, waves, strict=True):
        write_clip(path, wave=wave, rate=RATE, sound="pcm_f32le")
    names = np.array([*map(str, paths), ""])
    return waves, TextRows(SPEC, names, torch.tensor([1, 1, 1, 1, 0]))


@pytest.mark.parametrize("features", ["eGeMAPSv02", "ComParE_2016"])
def test_functionals_are_the_packages(opensmile, clips, features):
    waves, rows = clips
    part = encoder(features=features)
    prepared = part.prepare(rows)
    steps = part(prepared[torch.arange(5)])
    smile = extractor(opensmile, features, "Functionals")
    assert steps.x_BLD.shape == (5, 1, part.width) and part.width == smile.num_features
    assert steps.mask_BL[:, 0].tolist() == [True, True, True, False, False]
    for row in range(3):
        want_D = smile.process_signal(waves[row].astype(np.float32), RATE).to_numpy()[0]
        got_D = steps.x_BLD[row, 0].numpy()
        np.testing.assert_allclose(
            np.sign(got_D) * np.expm1(np.abs(got_D)), want_D, rtol=2e-4, atol=1e-5
        )
    assert "shorter than 60 ms" in prepared.notes[3] and part.measured == {"clips_without": 1.0}


def test_frames_are_means_of_the_packages_and_a_voice_has_its_pitch(opensmile, clips):
    waves, rows = clips
    part = encoder(level="frames", frames=4)
    steps = part(part.prepare(rows)[torch.arange(5)])
    smile = extractor(opensmile, "eGeMAPSv02", "LowLevelDescriptors")
    frames = smile.process_signal(waves[1].astype(np.float32), RATE)
    x_TD = frames.to_numpy()
    n = len(x_TD) // 4
    want_LD = np.stack([x_TD[4 * k : None if k == n - 1 else 4 * k + 4].mean(0) for k in range(n)])
    want_LD = (want_LD - want_LD.mean(0)) / np.maximum(want_LD.std(0), 1e-3)
    assert steps.mask_BL.sum(1).tolist()[1] == n and steps.x_BLD.shape[2] == part.width == 25
    np.testing.assert_allclose(steps.x_BLD[1, :n].numpy(), want_LD, atol=2e-3)
    pitch = frames["F0semitoneFrom27.5Hz_sma3nz"]
    hertz = 27.5 * 2 ** (pitch[pitch > 0].median() / 12)
    assert hertz == pytest.approx(117, rel=0.05), "the synthesiser speaks with the pitch asked for"


def test_frames_of_one_step_are_missing(opensmile, clips):
    part = encoder(level="frames", frames=1000)
    prepared = part.prepare(clips[1])
    assert not part(prepared[torch.arange(5)]).mask_BL.any()
    assert "its sound is one step" in prepared.notes[0]


def test_clips_in_a_batch_are_the_clips_alone(opensmile, clips):
    part = encoder(level="frames", frames=4)
    prepared = part.prepare(clips[1])
    together = part(prepared[torch.arange(5)])
    for row in range(3):
        alone = part(prepared[torch.tensor([row])])
        n = alone.x_BLD.shape[1]
        assert torch.equal(together.x_BLD[row, :n], alone.x_BLD[0])
        assert together.mask_BL[row].sum() == n


def test_a_folder_of_speaking_clips_from_add_to_a_run(merbench, tmp_path):
    """Who is glad speaks higher."""
    names = ["log-mel", *(["opensmile"] if find_spec("opensmile") else [])]
    folder = tmp_path / "spoken"
    rows = []
    for i in range(12):
        video, clip, mood = f"v{i // 3}", str(i % 3), float(i % 5 - 2)
        wave = say("so " + "aeiou"[i % 5] + " film", 120.0 + 15 * mood)
        write_clip(folder / "Raw" / video / f"{clip}.mp4", wave=wave, rate=RATE)
        rows.append([video, clip, "so a film", mood, MODES[i // 3]])
    with (folder / "label.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["video_id", "clip_id", "text", "label", "mode"], *rows])
    merbench("data", "add", "--name", "spoken", str(folder), check=True)
    for name in names:
        words = ("--dataset", "spoken", "--modalities", "audio", "--encoder", f"audio={name}")
        train = ("--epochs", "1", "--seeds", "1", "--json")
        result = merbench("run", "--model", "late-fusion-dnn", *words, *train, check=True)
        record = next(
            r for r in loads(result.stdout)["runs"] if r["spec"]["model"] == "late-fusion-dnn"
        )
        assert record["status"] == "done" and not record["measured"]
        assert record["spec"]["parts"]["encoder.audio"]["name"] == name
        assert ("opensmile" in record["provenance"]["packages"]) or name == "log-mel"
