"""Clips as the rows of a stream: decoded when asked for, and one bad clip costs that clip alone."""

from __future__ import annotations

import errno
import os
import sys

import av
import numpy as np
import pytest
import torch

from merbench.api import (
    ClipRows,
    Decoded,
    RequestError,
    StreamSpec,
    TextRows,
    read_frames,
    read_wave,
)
from tests.clips import frame, number, write_clip

FIFTY = [frame(i) for i in range(50)]


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


@pytest.mark.parametrize("code", [errno.EMFILE, errno.ENFILE, errno.ENOMEM])
def test_what_the_machine_lacks_is_no_fault_of_a_clip(tmp_path, monkeypatch, code):
    """As a missing modality it would stay in the cache for good."""

    def refuse(*_, **__):
        raise OSError(code, os.strerror(code))

    spec = StreamSpec("video.clip", "video", "clip")
    path = str(write_clip(tmp_path / "a.mp4", FIFTY[:9]))
    rows = TextRows(spec, np.array([path]), torch.tensor([1]))
    clips = ClipRows(rows, lambda path: read_frames(path, 3), list)
    monkeypatch.setattr(av, "open", refuse)
    with pytest.raises(OSError, match=os.strerror(code)):
        clips.decode(0)
    assert not clips.notes and not clips.measured


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
