"""Files that are broken, or do not say how long they are."""

from __future__ import annotations

import numpy as np
import pytest

from merbench.api import (
    read_frames,
    read_wave,
)
from tests.clips import frame, number, tone, write_clip

FIFTY = [frame(i) for i in range(50)]


def numbers(decoded) -> list[int]:
    return [number(image) for image in decoded.values]


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
    assert "breaks off" in loaded.note
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


@pytest.mark.parametrize("read", [read_frames, read_wave])
def test_a_frame_that_the_decoder_refuses_is_named(tmp_path, monkeypatch, read):
    path = write_clip(tmp_path / "a.mp4", FIFTY[:3], tone(1))

    def refuses(self):
        raise ValueError("Frame does not match")
        yield

    monkeypatch.setattr("merbench.api.media.track.Track.frames", refuses)
    assert "cannot be read" in read(str(path), 16_000).note


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
