"""Faces: where a square lies, whose box a frame without a face gets, and a real face (an
astronaut's, in the public domain) in clips.
"""

import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from skimage import data

from merbench.api import RequestError, StreamSpec, TextRows, read_frames
from merbench.testing import tiny
from merbench_encoders.clip.faces import Box, Faces, _detector, cut_out, nearest, square
from merbench_encoders.clip.image import ClipImage
from tests.clips import write_clip
from tests.towers import tiny_clip

HEAD = np.asarray(Image.fromarray(data.astronaut()[:256, 96:352]).resize((176, 176)))
CENTRE, WIDTH = 88, 60
"""Middle (both ways) and width of the face in HEAD."""

lengths = st.integers(1, 2000)
boxes = st.builds(Box, *[st.floats(-100, 2100)] * 2, *[st.floats(0.1, 2000)] * 2)


def scene(left: int | None, top: int = 30) -> np.ndarray:
    """Grey, with the head at (left, top): RGB [240, 480, 3]."""
    image = np.full((240, 480, 3), 90, np.uint8)
    if left is not None:
        image[top : top + 176, left : left + 176] = HEAD
    return image


@given(boxes, st.floats(0, 2), lengths, lengths)
def test_a_square_lies_in_its_frame_and_around_its_face(box, margin, width, height):
    left, top, side = square(box, margin, width, height)
    assert 0 <= left <= width - side and 0 <= top <= height - side and side >= 1
    wanted = max(box.width, box.height) * (1 + 2 * margin)
    assert abs(side - min(wanted, width, height)) <= 1
    assert cut_out(np.empty((height, width, 0)), box, margin).shape == (side, side, 0)
    for start, extent, at, room in (
        (box.left, box.width, left, width),
        (box.top, box.height, top, height),
    ):
        middle = start + extent / 2
        if wanted / 2 + 1 <= middle <= room - wanted / 2 - 1 and wanted <= min(width, height):
            assert abs(at + side / 2 - middle) <= 1  # nothing pushes it
        if (
            start >= 0
            and start + extent <= room
            and max(box.width, box.height) <= min(width, height)
        ):
            assert at <= start + 1 and at + side >= start + extent - 1


@given(st.lists(st.none() | boxes, max_size=12))
def test_a_frame_without_a_face_takes_the_nearest(found):
    for place, box in enumerate(nearest(found)):
        by_distance = [
            found[k]
            for d in range(len(found))
            for k in (place - d, place + d)
            if 0 <= k < len(found)
        ]
        assert box == next((b for b in by_distance if b is not None), None)


def test_the_largest_face_is_found_at_any_size_of_the_frame():
    faces = Faces()
    for scale in (0.5, 1, 3):
        image = Image.fromarray(scene(250))
        box = faces.largest(np.asarray(image.resize((round(480 * scale), round(240 * scale)))))
        assert box is not None and abs(box.width / scale - WIDTH) < 15
        assert (
            abs((box.left + box.width / 2) / scale - 250 - CENTRE) < 8
            and abs((box.top + box.height / 2) / scale - 30 - CENTRE) < 8
        )
    two = scene(20)
    two[:, 260:] = np.asarray(Image.fromarray(HEAD).resize((220, 240)))
    assert faces.largest(two).left > 260
    assert faces.largest(scene(None)) is None


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    folder = tmp_path_factory.mktemp("faces")
    return {"model": "tiny-clip", "pretrained": str(tiny_clip(folder)), "frames": 4}


@pytest.fixture(scope="module")
def paths(tmp_path_factory):
    """A clip whose second and fourth of four frames have no face, one without any, and one that is
    no clip.
    """
    folder = tmp_path_factory.mktemp("clips")
    some = write_clip(folder / "some.mkv", [scene(10), scene(None), scene(290), scene(None)])
    none = write_clip(folder / "none.mkv", [np.roll(scene(None), k, 0) for k in range(4)])
    (folder / "no.mkv").write_bytes(b"no clip")
    return [str(path) for path in (some, none, folder / "no.mkv")]


def encoder(**settings):
    return ClipImage(
        ClipImage.Config(**settings), tiny.context(), StreamSpec("video.clip", "video", "clip")
    )


def test_clip_image_sees_squares_around_faces(clip, paths):
    faced = encoder(**clip, face="largest", face_margin=0.5)
    frames = read_frames(paths[0], 4).values
    first, _, third, _ = (faced.faces.largest(frame) for frame in frames)
    # The second frame is as near to the third as to the first: the earlier counts.
    want = [
        cut_out(frame, box, 0.5)
        for frame, box in zip(frames, (first, first, third, third), strict=True)
    ]
    cuts, lost = faced.faces.cut(frames, 0.5)
    assert lost == 2 and first.left + 200 < third.left
    for cut, wanted in zip(cuts, want, strict=True):
        np.testing.assert_array_equal(cut, wanted)
    read, plain = faced.read(paths[0]), encoder(**clip)
    torch.testing.assert_close(read.values, torch.stack([plain._shrunk(cut) for cut in cuts]))
    torch.testing.assert_close(faced.read(paths[1]).values, plain.read(paths[1]).values)
    assert plain.read(paths[1]).shares == {}


def test_the_share_of_frames_without_a_face_is_measured(clip, paths):
    faced = encoder(**clip, face="largest")
    rows = faced.prepare(
        TextRows(
            StreamSpec("video.clip", "video", "clip"),
            np.array([*paths, ""]),
            torch.tensor([1, 1, 1, 0]),
        )
    )
    for some in ([0], [0, 1, 2, 3], [0, 1, 2, 3]):
        rows[torch.tensor(some)]
    assert faced.measured == {"faceless_rate": 6 / 8, "clips_without": 1.0}


def test_the_detector_is_part_of_what_a_run_is(clip, monkeypatch):
    with_face, without = (ClipImage.Config(**clip, face=face) for face in ("largest", "none"))
    (name,) = set(ClipImage.pretrained(with_face)) - set(ClipImage.pretrained(without))
    assert name.startswith("face:dlib-") and len(ClipImage.pretrained(with_face)[name]) == 64
    assert set(ClipImage.sources(with_face)) == set(ClipImage.pretrained(with_face))
    monkeypatch.setitem(sys.modules, "dlib", None)
    _detector.cache_clear()
    assert ClipImage.pretrained(without)
    for build in (lambda: ClipImage.pretrained(with_face), lambda: encoder(**clip, face="largest")):
        with pytest.raises(
            RequestError,
            match=r"face=largest needs dlib.*pip install 'merbench-encoders\[face\]', or leave face=none",
        ):
            build()


def test_threads_find_what_one_finds():
    faces, frames = Faces(), [scene(left) for left in range(0, 300, 40)]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(faces.largest, frames)) == [faces.largest(frame) for frame in frames]
