"""Clips that were cut off say so, in whatever container says how long it is."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from merbench.api import read_frames, read_wave
from merbench.api.media.stated_size import missing_bytes
from tests.clips import frame, tone, write_clip

CONTAINERS = {
    "mkv": {"sound": "pcm_s16le"},
    "webm": {"codec": "libvpx", "pixels": "yuv420p", "sound": "libopus", "rate": 48_000},
    "avi": {"codec": "mpeg4", "pixels": "yuv420p", "sound": "pcm_s16le"},
    "mp4": {"movflags": "faststart"},
}


@pytest.mark.parametrize("share", [0.6, 0.97])
@pytest.mark.parametrize("suffix", CONTAINERS)
def test_a_clip_that_was_cut_off_is_no_shorter_clip(tmp_path, suffix, share):
    settings = {"rate": 16_000} | CONTAINERS[suffix]
    wave = tone(2, settings["rate"])
    path = write_clip(tmp_path / f"a.{suffix}", [frame(i) for i in range(50)], wave, **settings)
    assert read_frames(str(path), 4).note == read_wave(str(path), 16_000).note == ""
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    for decoded in (read_frames(str(path), 4), read_wave(str(path), 16_000)):
        assert len(decoded.values) and "breaks off" in decoded.note, decoded.note
    assert missing_bytes(str(path)) == (int(share * len(whole)), len(whole))


def test_a_wave_says_how_long_it_is_but_for_one_out_of_a_pipe(tmp_path):
    path = write_clip(tmp_path / "a.wav", None, tone(2), sound="pcm_s16le")
    whole = path.read_bytes()
    cut = whole[: len(whole) // 2]
    path.write_bytes(cut)
    assert "breaks off" in read_wave(str(path), 16_000).note
    for size in (b"\xff\xff\xff\xff", b"\x00\x00\x00\x00"):
        path.write_bytes(b"RIFF" + size + cut[8:])
        assert missing_bytes(str(path)) is None
    path.write_bytes(whole + b"and a note behind it")
    assert missing_bytes(str(path)) is None and not read_wave(str(path), 16_000).note


@given(
    start=st.sampled_from([b"", b"RIFF", bytes.fromhex("1a45dfa3"), b"\0\0\0\x10ftyp"]),
    rest=st.binary(max_size=60),
)
def test_whatever_a_file_holds_it_has_an_answer(tmp_path_factory, start, rest):
    path = tmp_path_factory.mktemp("any") / "x"
    path.write_bytes(start + rest)
    missing = missing_bytes(str(path))
    assert missing is None or missing[0] == len(start + rest) < missing[1]


def test_a_matroska_of_unknown_length_is_whole(tmp_path):
    path = write_clip(tmp_path / "a.mkv", None, tone(1), sound="pcm_s16le")
    content = path.read_bytes()
    at = content.index(bytes.fromhex("18538067")) + 4
    assert content[at] == 1  # eight bytes
    path.write_bytes(content[:at] + b"\x01" + b"\xff" * 7 + content[at + 8 :])
    assert missing_bytes(str(path)) is None
    np.testing.assert_allclose(
        read_wave(str(path), 16_000).values[:8000], tone(1)[0, :8000], atol=1e-3
    )
