"""SIGKILL to ``data add`` at any moment: what is shown is whole, and the resumed call ends with the
bytes of one that was never killed.

Five moments here; ``tox -e kills`` sets MERBENCH_KILLS to take more.
"""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import time

import numpy as np
import pytest

from merbench.api import Config, Source
from merbench.data.folder.read import read_folder
from merbench.data.folder.stored_statistics import write_statistics
from merbench.data.intake.add import add
from merbench.results import files

KILLS = int(os.environ.get("MERBENCH_KILLS", "5"))
ROWS = 400


class Form:
    """Many rows of several streams, read slowly enough to be killed in the middle."""

    looks_for = "rows made up"

    def __init__(self, name):
        self.config, self.name = Config(), name

    def recognise(self, source):
        return ""

    def convert(self, source, sink):
        sink.source(source.path)
        videos, clips = (
            [f"v{row // 10}" for row in range(ROWS)],
            [str(row % 10) for row in range(ROWS)],
        )
        ids = [f"{v}_{c}" for v, c in zip(videos, clips, strict=True)]
        modes = [("train", "valid", "test")[row // 10 % 3] for row in range(ROWS)]
        columns = {
            "video_id": videos,
            "clip_id": clips,
            "text": ["so"] * ROWS,
            "label": ["1"] * ROWS,
            "mode": modes,
            self.name: modes,
        }
        sink.table(columns)
        sink.task("sentiment", column="label", kind="score", low=-3.0, high=3.0)
        for modality in ("text", "audio", "video"):
            sink.features(f"{modality}.{self.name}", modality, 5, ids, self.read)
        sink.words(
            "text.words" if self.name == "one" else "text.other",
            ids,
            lambda row: (["so"] * (row % 4), None),
        )
        sink.protocol(
            "standard",
            column="mode",
            streams=[f"{m}.{self.name}" for m in ("text", "audio", "video")],
        )

    def read(self, row):
        time.sleep(0.0002)
        return np.full((row % 7, 5), row, np.float32)


def content(folder):
    return {
        p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()
    }


def assert_same_content(folder, reference):
    ours, theirs = content(folder), content(reference)
    assert ours.keys() == theirs.keys()
    assert [name for name in theirs if ours[name] != theirs[name]] == []


def call(home, source, name):
    add("mine", home, source, Form(name), "made", {}, lambda *progress: None)


@pytest.mark.parametrize("second", [False, True])
def test_data_add_killed_at_random_moments_ends_with_the_same_bytes(tmp_path, monkeypatch, second):
    monkeypatch.setattr("merbench.data.intake.writers.features._CHECKPOINT", 500)
    monkeypatch.setattr(
        "os.fsync", lambda handle: None
    )  # a killed process leaves the cache of the system as it is
    path = tmp_path / "source"
    path.write_bytes(b"made")
    source, reference, home = Source(path), tmp_path / "reference", tmp_path / "home"
    for name in ("one", "two") if second else ("one",):
        start = time.perf_counter()
        call(reference, source, name)
        usual = time.perf_counter() - start
    if second:
        call(home, source, "one")
    before = content(home / "mine") if second else None
    wanted = content(reference / "mine")
    draw, fork = random.Random(second), multiprocessing.get_context("fork")
    for _ in range(KILLS):
        child = fork.Process(target=call, args=(home, source, "two" if second else "one"))
        child.start()
        time.sleep(draw.uniform(0.0, 1.2 * usual))
        child.kill()
        child.join()
        if (home / "mine").exists():
            streams = read_folder(home / "mine").streams
            assert len(streams) in ((4, 8) if second else (4,))
            description = (home / "mine/dataset.toml").read_bytes()
            assert description in (
                wanted["dataset.toml"],
                before["dataset.toml"] if before else b"",
            )
    call(home, source, "two" if second else "one")
    assert_same_content(home / "mine", reference / "mine")
    assert not list(home.glob(".*"))


def test_data_add_killed_after_its_statistics_ends_with_the_same_bytes(tmp_path, monkeypatch):
    path = tmp_path / "source"
    path.write_bytes(b"made")
    source, reference, home = Source(path), tmp_path / "reference", tmp_path / "home"
    call(reference, source, "one")

    def killed(folder, read):
        write_statistics(folder, read)
        raise KeyboardInterrupt

    with monkeypatch.context() as once, pytest.raises(KeyboardInterrupt):
        once.setattr("merbench.data.folder.stored_statistics.write_statistics", killed)
        call(home, source, "one")
    call(home, source, "one")
    assert_same_content(home / "mine", reference / "mine")


@pytest.mark.parametrize(
    "file", ["label.csv", "dataset.toml", "statistics.safetensors", "manifest.json"]
)
def test_data_add_killed_while_it_writes_a_file_leaves_nothing_of_it(tmp_path, file):
    path = tmp_path / "source"
    path.write_bytes(b"made")
    source, reference, home = Source(path), tmp_path / "reference", tmp_path / "home"
    call(reference, source, "one")

    def killed():
        write = files._write_through
        files._write_through = lambda temporary, data, target: (
            os.kill(os.getpid(), signal.SIGKILL)
            if target.parent.name == "bundle" and target.name == file
            else write(temporary, data, target)
        )
        call(home, source, "one")

    child = multiprocessing.get_context("fork").Process(target=killed)
    child.start()
    child.join()
    assert child.exitcode == -signal.SIGKILL
    assert list(home.rglob(f".{file}.*.tmp"))
    call(home, source, "one")
    assert_same_content(home / "mine", reference / "mine")
