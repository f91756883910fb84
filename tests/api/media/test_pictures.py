"""Frames of clips that were made here, so that every right answer is known: which, how they stand,
and in which colours.
"""

from __future__ import annotations

import io
import struct
from fractions import Fraction

import numpy as np
import pytest
from PIL import Image, ImageOps

from merbench.api import (
    read_frames,
    read_wave,
)
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
