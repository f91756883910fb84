"""Frames and waveforms of clips that were made here, so that every right answer is known."""

from __future__ import annotations

import io
import os
import struct
import sys
import wave as wave_files
from fractions import Fraction

import av
import numpy as np
import pytest
import torch
from PIL import Image, ImageOps

from merbench.api import (
    ClipRows,
    Decoded,
    RequestError,
    StreamSpec,
    TextRows,
    read_frames,
    read_wave,
)
from merbench.api.media.sound import USUAL, mono
from tests.clips import SIZE, frame, number, numbers_in, tone, write_clip, write_flat

FIFTY = [frame(i) for i in range(50)]


def numbers(decoded) -> list[int]:
    return [number(image) for image in decoded.values]


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv"])
@pytest.mark.parametrize("gop", [1, 12, 250])
def test_frames_are_uniform_in_time_however_they_are_reached(tmp_path, name, gop):
    """With many key frames they are leapt to, with one they are read through."""
    path = write_clip(tmp_path / name, FIFTY, gop=gop)
    assert numbers_in(path) == list(range(50))
    for count in (1, 3, 8, 60):
        loaded = read_frames(str(path), count)
        assert (
            numbers(loaded) == [int((k + 0.5) / count * 50) for k in range(count)]
            and not loaded.note
        )
        assert all(
            image.shape == (SIZE[1], SIZE[0], 3) and image.dtype == np.uint8
            for image in loaded.values
        )


def test_a_frame_counts_for_as_long_as_it_is_shown(tmp_path):
    """Variable frame rate: frames 0 to 3 in the first 4 of 25ths of a second, frame 4 from 10 to
    11, a second's worth of nothing else.
    """
    path = write_clip(tmp_path / "v.mp4", FIFTY[:5], times=[0, 1, 2, 3, 10])
    assert numbers(read_frames(str(path), 11)) == [0, 1, 2, 3, 3, 3, 3, 3, 3, 3, 4]


def test_rotation_is_applied(tmp_path):
    upright = read_frames(str(write_clip(tmp_path / "a.mp4", FIFTY[:3])), 1).values[0]
    for turn, left, right in ((90, 255, 0), (-90, 0, 255)):
        turned = read_frames(
            str(write_clip(tmp_path / f"{turn}.mp4", FIFTY[:3], rotation=turn)), 1
        ).values[0]
        assert turned.shape == (SIZE[0], SIZE[1], 3)
        np.testing.assert_allclose(turned[:, [2, -3], 1].mean(0), [left, right], atol=12)
        np.testing.assert_array_equal(turned, np.rot90(upright, turn // 90))


def test_what_can_be_decoded_of_a_broken_file_is_used_and_told(tmp_path):
    noise = np.random.default_rng(0)
    frames = [
        np.maximum(image, noise.integers(0, 3, image.shape, dtype=np.uint8)) for image in FIFTY
    ]
    whole = write_clip(tmp_path / "a.mp4", frames, movflags="faststart").read_bytes()
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(whole[: int(len(whole) * 0.6)])
    loaded = read_frames(str(cut), 10)
    assert (
        2 < len(loaded.values) < 9
        and numbers(loaded) == [2, 7, 12, 17, 22, 27, 32, 37, 42, 47][: len(loaded.values)]
    )
    assert "damaged" in loaded.note
    wave = write_clip(
        tmp_path / "a.flac", None, tone(4) + noise.normal(0, 0.01, (1, 64_000)), sound="flac"
    ).read_bytes()
    (tmp_path / "cut.flac").write_bytes(wave[: len(wave) // 2])
    samples, note, _ = read_wave(str(tmp_path / "cut.flac"), 16_000)
    assert 24_000 < len(samples) < 40_000 and note
    np.testing.assert_allclose(samples[:20_000], tone(4)[0, :20_000], atol=0.08)


@pytest.mark.parametrize("content", [b"", b"no clip at all" * 50, None])
def test_what_cannot_be_read_is_named(tmp_path, content):
    path = tmp_path / "x.mp4"
    if content is None:  # its table of contents is cut off
        whole = write_clip(path, FIFTY).read_bytes()
        content = whole[: len(whole) // 2]
    path.write_bytes(content)
    for values, note, _ in (read_frames(str(path), 4), read_wave(str(path), 16_000)):
        assert (
            len(values) == 0 and note == "cannot be read (Invalid data found when processing input)"
        )
    assert (
        read_frames(str(tmp_path / "nowhere.mp4"), 4).note
        == "cannot be read (No such file or directory)"
    )


def test_a_track_that_is_not_there(tmp_path):
    silent, blind = (
        write_clip(tmp_path / "silent.mp4", FIFTY[:5]),
        write_clip(tmp_path / "blind.wav", None, tone(1), sound="pcm_s16le"),
    )
    assert (
        read_wave(str(silent), 16_000).note == "no audio track"
        and read_frames(str(blind), 4).note == "no video track"
    )
    assert (
        len(read_wave(str(silent), 16_000).values) == 0 and read_frames(str(blind), 4).values == []
    )


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
        tmp_path / "a.mp4", FIFTY, np.concatenate([tone(2), tone(2)]), layout="stereo"
    )
    found, note, _ = read_wave(str(path), 16_000)
    assert abs(np.sqrt((found[2000:-2000] ** 2).mean()) - 0.5 / np.sqrt(2)) < 0.01 and not note
    assert numbers(read_frames(str(path), 2)) == [12, 37]


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


@pytest.mark.parametrize("read", [read_frames, read_wave])
def test_a_frame_that_the_decoder_refuses_is_named(tmp_path, monkeypatch, read):
    path = write_clip(tmp_path / "a.mp4", FIFTY[:3], tone(1))

    def refuses(self):
        raise ValueError("Frame does not match")
        yield

    monkeypatch.setattr("merbench.api.media.track.Track.frames", refuses)
    assert "cannot be read" in read(str(path), 16_000).note


def test_clip_rows_decode_when_asked_and_remember_what_was_wrong(tmp_path, monkeypatch):
    spec = StreamSpec("video.clip", "video", "clip")
    paths = [str(write_clip(tmp_path / "a.mp4", FIFTY[:9])), "", str(tmp_path / "gone.mp4")]
    rows = ClipRows(
        TextRows(spec, np.array(paths), torch.tensor([1, 0, 1])),
        lambda path: read_frames(path, 3),
        list,
    )
    assert len(rows) == 3 and not rows.notes
    for _ in range(2):
        first, missing, gone = rows[torch.arange(3)]
        assert [number(image) for image in first] == [1, 4, 7] and missing is None and gone is None
    assert rows.notes == {2: "cannot be read (No such file or directory)"} and rows.measured == {
        "clips_without": 1.0
    }
    counted = ClipRows(
        rows.rows,
        lambda path: Decoded([0], shares={"a": (1, 4), "b": (int("gone" in path), 1)}),
        list,
    )
    for _ in range(2):  # each row counts once, however often it is read
        counted[torch.arange(3)]
    assert counted.measured == {"a": 0.25, "b": 0.5} and set(counted.shares) == {0, 2}
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(
        RequestError,
        match=r"stream video\.clip holds raw clips, and PyAV.*pip install 'merbench\[raw\]'",
    ):
        ClipRows(rows.rows, rows.read, list)


ONE = 1 << 16
MATRICES = {
    "as it is": ((1, 0), (0, 1)),
    "mirrored": ((-1, 0), (0, 1)),
    "upside down": ((1, 0), (0, -1)),
    "half a turn": ((-1, 0), (0, -1)),
    "transposed": ((0, 1), (1, 0)),
    "a quarter turn": ((0, 1), (-1, 0)),
    "three quarters": ((0, -1), (1, 0)),
    "transposed and turned": ((0, -1), (-1, 0)),
}
"""All display matrices that show a picture in an upright frame."""


def shown_by_hand(image, matrix):
    """Pixel by pixel: (x, y) is shown at (a x + c y, b x + d y), moved into the picture."""
    (a, b), (c, d) = matrix
    height, width = image.shape[:2]
    places = {
        (a * x + c * y, b * x + d * y): image[y, x] for x in range(width) for y in range(height)
    }
    xs, ys = zip(*places, strict=True)
    left, top = min(xs), min(ys)
    out = np.zeros((max(ys) - top + 1, max(xs) - left + 1, 3), image.dtype)
    for (x, y), pixel in places.items():
        out[y - top, x - left] = pixel
    return out


@pytest.mark.parametrize("name", MATRICES)
@pytest.mark.parametrize("container", ["mp4", "mkv"])
def test_every_display_matrix_is_applied(tmp_path, name, container):
    image = np.zeros((48, 64, 3), np.uint8)
    image[:20, :24, 0], image[30:, :, 1], image[:, 50:, 2] = 250, 120, 200
    (a, b), (c, d) = MATRICES[name]
    matrix = (a * ONE, b * ONE, 0, c * ONE, d * ONE, 0, 0, 0, 1 << 30)
    plain = read_frames(str(write_clip(tmp_path / f"plain.{container}", [image] * 3)), 1)
    path = write_clip(tmp_path / f"a.{container}", [image] * 3, matrix=matrix)
    (shown,) = read_frames(str(path), 1).values
    np.testing.assert_array_equal(shown, shown_by_hand(plain.values[0], MATRICES[name]))


@pytest.mark.parametrize("container", ["mp4", "mkv"])
@pytest.mark.parametrize(
    ("pixel", "shape"),
    [(Fraction(2), (48, 128)), (Fraction(1, 2), (96, 64)), (Fraction(16, 15), (48, 68))],
)
def test_pixels_are_made_square(tmp_path, container, pixel, shape):
    """A DVD's are not; a face would be too narrow or too wide. Half of the picture stays half."""
    image = np.zeros((48, 64, 3), np.uint8)
    image[:, 32:] = 240
    path = write_clip(tmp_path / f"a.{container}", [image] * 3, pixel=pixel)
    (shown,) = read_frames(str(path), 1).values
    assert shown.shape[:2] == shape
    middle = shape[1] // 2
    assert shown[:, : middle - 4].max() < 20 and shown[:, middle + 4 :].min() > 220


def test_a_pixel_that_no_camera_has_is_not_believed(tmp_path):
    path = write_clip(tmp_path / "a.mp4", [frame(1)] * 3, pixel=Fraction(99))
    assert read_frames(str(path), 1).values[0].shape == (48, 64, 3)


def yuv(colour, kr, kb):
    """8-bit limited-range Y, Cb, Cr of an RGB colour (ITU-R BT.601-7 and BT.709-6)."""
    red, green, blue = (value / 255 for value in colour)
    y = kr * red + (1 - kr - kb) * green + kb * blue
    cb, cr = (blue - y) / (2 - 2 * kb), (red - y) / (2 - 2 * kr)
    return round(16 + 219 * y), round(128 + 224 * cb), round(128 + 224 * cr)


BT601, BT709 = (0.299, 0.114), (0.2126, 0.0722)


@pytest.mark.parametrize(
    ("lines", "tag", "coded"),
    [(480, None, BT601), (720, None, BT709), (480, 1, BT709), (720, 5, BT601)],
)
def test_colours_are_those_that_the_file_means(tmp_path, lines, tag, coded):
    """Untagged video above 576 lines is BT.709, as players take it; a tag goes before that."""
    colour = (200, 40, 90)
    path = write_flat(tmp_path / "a.mp4", yuv(colour, *coded), lines, tag)
    (image,) = read_frames(str(path), 1).values
    assert np.abs(image.reshape(-1, 3).mean(0) - colour).max() < 4


BT2020 = (0.2627, 0.0593)
INTO_BT2020 = np.array(
    [[0.6274, 0.3293, 0.0433], [0.0691, 0.9195, 0.0114], [0.0164, 0.088, 0.8956]]
)


def pq(light):
    """SMPTE ST 2084, of cd/m²."""
    power = (light / 10_000) ** 0.1593017578125
    return ((0.8359375 + 18.8515625 * power) / (1 + 18.6875 * power)) ** 78.84375


def hlg(light):
    """ARIB STD-B67 of what a screen of 1,000 cd/m² shows (its system gamma is 1.2)."""
    luminance = light @ [0.2627, 0.678, 0.0593]
    scene = light / 1000 * (luminance / 1000) ** (1 / 1.2 - 1)
    high = 0.17883277 * np.log(np.maximum(12 * scene - 0.28466892, 1e-9)) + 0.55991073
    return np.where(scene <= 1 / 12, np.sqrt(3 * scene), high)


@pytest.mark.parametrize(("transfer", "coded"), [(16, pq), (18, hlg), (14, None)])
@pytest.mark.parametrize("colour", [(180, 60, 80), (200, 160, 140), (90, 120, 60), (128, 128, 128)])
def test_hdr_is_seen_as_on_a_usual_screen(tmp_path, transfer, coded, colour):
    """Paper white at 203 cd/m² (BT.2408), BT.2020's primaries; untouched, its codes are dull."""
    wide = INTO_BT2020 @ ((np.array(colour) / 255) ** 2.4)
    code = wide ** (1 / 2.4) if coded is None else coded(203 * wide)
    path = write_flat(tmp_path / "a.mp4", yuv(255 * code, *BT2020), 480, 9, hdr=transfer)
    (image,) = read_frames(str(path), 1).values
    assert np.abs(image.reshape(-1, 3).mean(0) - colour).max() < 8


@pytest.mark.parametrize(
    ("suffix", "codec"),
    [("mpg", "mpeg2video"), ("m2v", "mpeg2video"), ("h264", "libx264"), ("ts", "libx264")],
)
def test_where_a_file_states_no_length_its_packets_do(tmp_path, suffix, codec):
    """MPEG programme streams and streams without a container."""
    path = write_clip(tmp_path / f"a.{suffix}", FIFTY, codec=codec, crf=1)
    np.testing.assert_allclose(numbers(read_frames(str(path), 5)), [5, 15, 25, 35, 45], atol=2)


def test_a_length_that_is_guessed_from_the_first_packets_is_not_believed(tmp_path):
    """Silence costs few bits: FFmpeg takes the rest for as many more seconds."""
    noise = np.random.default_rng(0).normal(0, 0.3, (1, 32_000))
    wave = np.concatenate([np.zeros((1, 32_000)), noise], axis=1)
    decoded = read_wave(str(write_clip(tmp_path / "a.aac", None, wave)), 16_000)
    assert decoded.note == "" and len(decoded.values) == pytest.approx(64_000, abs=2048)


def test_the_picture_of_a_cover_is_no_video(tmp_path):
    picture = io.BytesIO()
    Image.fromarray(frame(9)).save(picture, "JPEG")
    content = b"\0image/jpeg\0\x03\0" + picture.getvalue()
    tag = b"APIC" + struct.pack(">IH", len(content), 0) + content
    length = bytes(len(tag) >> bits & 127 for bits in (21, 14, 7, 0))
    path = write_clip(tmp_path / "a.mp3", None, tone(0.5), sound="libmp3lame")
    path.write_bytes(b"ID3\x03\0\0" + length + tag + path.read_bytes())
    assert read_frames(str(path), 2) == ([], "no video track", {})
    assert len(read_wave(str(path), 16_000).values) == 8000


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", ["jpg", "png"])
def test_a_photograph_stands_upright(tmp_path, orientation, suffix):
    picture, exif = np.zeros((48, 64, 3), np.uint8), Image.Exif()
    picture[:24, :32] = 255
    exif[0x0112] = orientation
    path = tmp_path / f"a.{suffix}"
    Image.fromarray(picture).save(path, exif=exif, quality=95)
    with Image.open(path) as photograph:
        want = np.asarray(ImageOps.exif_transpose(photograph))
    (image,) = read_frames(str(path), 1).values
    assert image.shape == want.shape and np.abs(image.astype(float) - want).mean() < 3


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


def test_whatever_goes_wrong_with_one_clip_costs_that_clip_alone():
    def read(path):
        if path == "bad":
            raise IndexError("a decoder's own mistake\nand a long story")
        return Decoded([1.0, 2.0])

    spec = StreamSpec("audio.clip", "audio", "clip")
    rows = TextRows(spec, np.array(["a", "bad", "c"]), torch.ones(3, dtype=torch.long))
    clips = ClipRows(rows, read, lambda values: values)
    assert clips[torch.arange(3)] == [[1.0, 2.0], None, [1.0, 2.0]]
    assert clips.notes == {1: "cannot be read (IndexError: a decoder's own mistake)"}
    assert clips.measured == {"clips_without": 1.0}


def test_what_a_user_can_mend_is_not_taken_for_a_bad_clip():
    def read(path):
        raise RequestError("face=largest needs dlib; pip install it")

    spec = StreamSpec("video.clip", "video", "clip")
    rows = TextRows(spec, np.array(["a"]), torch.ones(1, dtype=torch.long))
    with pytest.raises(RequestError, match="needs dlib"):
        ClipRows(rows, read, list)[torch.arange(1)]


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir])
def test_a_pipe_or_a_folder_in_the_place_of_a_clip_is_a_missing_modality(tmp_path, make):
    """A pipe would be waited for."""
    make(tmp_path / "a.wav")
    decoded = read_wave(str(tmp_path / "a.wav"), 16_000, longest=1.0)
    assert not len(decoded.values) and decoded.note == "it is no file"
