"""Waveforms of clips that were made here, so that every right answer is known."""

from __future__ import annotations

import wave as wave_files

import av
import numpy as np
import pytest

from merbench.api import (
    read_frames,
    read_wave,
)
from merbench.api.media.sound import USUAL, mono
from tests.clips import frame, number, tone, write_clip


@pytest.mark.parametrize(
    ("sound", "close"),
    [
        ("pcm_u8", 0.01),
        ("pcm_s16le", 1e-3),
        ("pcm_s24le", 1e-3),
        ("pcm_f32le", 1e-3),
        ("flac", 1e-3),
    ],
)
@pytest.mark.parametrize("layout", ["mono", "stereo"])
def test_waves_are_mono_floats_at_the_rate_asked_for(tmp_path, sound, close, layout):
    """Stereo: the mean of both channels, one of which is silent here."""
    wave = tone(1, 22_050)
    wave = wave if layout == "mono" else np.concatenate([wave, 0 * wave])
    path = write_clip(
        tmp_path / ("a.flac" if sound == "flac" else "a.wav"),
        None,
        wave,
        rate=22_050,
        sound=sound,
        layout=layout,
    )
    for rate in (16_000, 48_000):
        found, note, _ = read_wave(str(path), rate)
        assert found.dtype == np.float32 and abs(len(found) - rate) <= 1 and not note
        want = tone(1, rate)[0] / (1 if layout == "mono" else 2)
        assert np.abs(found - want[: len(found)])[200:-200].max() < close


def test_two_equal_channels_are_as_loud_as_one(tmp_path):
    path = write_clip(
        tmp_path / "a.mp4",
        [frame(i) for i in range(50)],
        np.concatenate([tone(2), tone(2)]),
        layout="stereo",
    )
    found, note, _ = read_wave(str(path), 16_000)
    assert abs(np.sqrt((found[2000:-2000] ** 2).mean()) - 0.5 / np.sqrt(2)) < 0.01 and not note
    assert [number(image) for image in read_frames(str(path), 2).values] == [12, 37]


@pytest.mark.parametrize(
    "makes", [[("stereo", 44_100), ("mono", 44_100)], [("mono", 16_000), ("mono", 44_100)]]
)
def test_sound_that_changes_on_the_way_keeps_its_pitch(tmp_path, makes):
    parts = [
        write_clip(
            tmp_path / f"{n}.ts",
            wave=np.repeat(tone(1, rate), 1 + (layout == "stereo"), 0),
            rate=rate,
            layout=layout,
        )
        for n, (layout, rate) in enumerate(makes)
    ]
    (tmp_path / "both.ts").write_bytes(b"".join(part.read_bytes() for part in parts))
    wave = read_wave(str(tmp_path / "both.ts"), 16_000).values
    assert len(wave) == pytest.approx(32_000, rel=0.1)
    for at in (4_000, 24_000):
        heights = np.abs(np.fft.rfft(wave[at : at + 4_000]))
        assert heights.argmax() * 4 == pytest.approx(440, abs=4) and heights.max() == pytest.approx(
            1_000, rel=0.05
        )


SOUNDS = {"FL": 0.30, "FR": 0.20, "FC": 0.50, "LFE": 0.90, "SL": 0.10, "SR": 0.40}


@pytest.mark.parametrize(
    ("layout", "name"),
    [(layout, "a.wav") for layout in ("mono", "stereo", "3.0", "quad(side)", "5.1(side)")]
    + [("5.1(side)", "unnamed.mkv")],
)
def test_channels_count_by_their_places(tmp_path, layout, name):
    """ITU-R BS.775: the mean of left and right, into which a centre and surrounds go at -3 dB. A
    file that names no places has six channels as 5.1 has them.
    """
    places = [channel.name for channel in av.AudioLayout(layout).channels]
    wave = np.array([[SOUNDS[place]] * 4000 for place in places])
    path = write_clip(tmp_path / name, None, wave, rate=8000, sound="pcm_f32le", layout=layout)
    actual = read_wave(str(path), 8000).values[1000:3000]
    third = 0.5**0.5
    left = {"FL": 1.0, "FC": third, "SL": third}
    right = {"FR": 1.0, "FC": third, "SR": third}
    weight = {p: (left.get(p, 0.0) + right.get(p, 0.0)) / 2 for p in places}
    want = sum(weight[p] * SOUNDS[p] for p in places) / sum(weight.values())
    np.testing.assert_allclose(actual, want, atol=1e-4)


LAYOUTS = [
    "2.1",
    "4.0",
    "quad",
    "5.0",
    "5.1",
    "6.1",
    "7.0",
    "7.1",
    "7.1(wide)",
    "3.1.2",
    "5.1.2",
    "5.1.4",
    "7.1.2",
    "7.1.4",
    "9.1.6",
    "22.2",
    "cube",
    "hexadecagonal",
    "octagonal",
]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_channel_of_a_layout_has_a_place(layout):
    """What is said is as loud from a left as from a right one, in no layout the bass effects are
    heard, and left and right in front are the loudest pair.
    """
    try:
        places = [channel.name for channel in av.AudioLayout(layout).channels]
    except ValueError:
        pytest.skip(f"this FFmpeg does not know {layout}")
    alone = dict(zip(places, np.eye(len(places)), strict=True))
    heard = {place: mono(one[:, None], places)[0] for place, one in alone.items()}
    assert sum(heard.values()) == pytest.approx(1)
    assert all((share == 0) == place.startswith("LFE") for place, share in heard.items())
    for place in places:
        if place.endswith("L") and place[:-1] + "R" in heard:
            assert heard[place] == heard[place[:-1] + "R"] <= heard["FL"]


@pytest.mark.parametrize("n_channels", [1, 2, 7, 8, 9, 16, 33, 64])
def test_any_number_of_channels_is_read(tmp_path, n_channels):
    """Without names of their places: their mean, but for 5.1 and 7.1."""
    path, rng = tmp_path / "a.wav", np.random.default_rng(n_channels)
    samples_SC = rng.integers(-9000, 9000, (4800, n_channels)).astype("<i2")
    with wave_files.open(str(path), "wb") as file:
        file.setparams((n_channels, 2, 48_000, 0, "NONE", ""))
        file.writeframes(samples_SC.tobytes())
    places = USUAL.get(n_channels, [""] * n_channels)
    want = mono(samples_SC.T / 2**15, places)
    np.testing.assert_allclose(read_wave(str(path), 48_000).values, want, atol=1e-6)
    assert len(read_wave(str(path), 16_000).values) == pytest.approx(1600, abs=2)


def test_of_an_ambisonic_field_the_first_channel_is_heard():
    wave = np.arange(8.0).reshape(4, 2)
    np.testing.assert_array_equal(mono(wave, [f"AMBI{k}" for k in range(4)]), wave[0])


@pytest.mark.parametrize(("seconds", "cut"), [(1.0, False), (1.5, True), (5.0, True)])
def test_no_more_of_a_wave_is_kept_than_asked_for(tmp_path, seconds, cut):
    path = write_clip(tmp_path / "a.wav", None, tone(seconds), sound="pcm_s16le")
    decoded = read_wave(str(path), 16_000, longest=1.0)
    np.testing.assert_allclose(decoded.values, tone(1.0)[0], atol=1e-4)
    assert decoded.note == ("its sound is longer than 1 s, and the rest is left out" if cut else "")
