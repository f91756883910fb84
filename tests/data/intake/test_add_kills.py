"""SIGKILL to ``data add`` at any moment: what is shown is whole, and the resumed call ends with the
bytes of one that was never killed.
"""

from __future__ import annotations

import numpy as np
import pytest

from merbench.api import Config, Source
from merbench.data.folder.read import read_folder
from merbench.data.intake.add import add
from tests.kills import content, difference, killed, replace, resumes

ROWS = 40
READY = ".mine.adding/ready"


class Form:
    """A stream of features and one of words."""

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
        sink.features(f"audio.{self.name}", "audio", 5, ids, self.read)
        sink.words(f"text.{self.name}", ids, lambda row: (["so"] * (row % 4), None))
        sink.protocol("standard", column="mode", streams=[f"audio.{self.name}"])

    def read(self, row):
        return np.full((row % 7, 5), row, np.float32)


@pytest.fixture
def call(tmp_path, monkeypatch):
    """Adds a source of a form to ``mine``."""
    monkeypatch.setattr("merbench.data.intake.writers.features._CHECKPOINT", 1500)
    path = tmp_path / "source"
    path.write_bytes(b"made")

    def call(form, source=path):
        add("mine", tmp_path / "home", Source(source), form, "made", {}, lambda *progress: None)

    return call


def assert_resumes(home, call, streams):
    """``streams``: so many may be shown in between."""

    def whole():
        if (home / "mine").exists():
            assert len(read_folder(home / "mine").streams) in streams

    home.mkdir(exist_ok=True)
    resumes(home, call, whole)


def test_a_new_data_set(tmp_path, call):
    assert_resumes(tmp_path / "home", lambda: call(Form("one")), (2,))


def test_streams_joined_to_a_data_set(tmp_path, call):
    call(Form("one"))
    assert_resumes(tmp_path / "home", lambda: call(Form("two")), (2, 4))


def test_files_copied_and_linked_to_beside_others_of_their_names(
    tmp_path, call, folder, make_folder
):
    from merbench_datasets.feature_folder import FeatureFolder

    (tmp_path / "other").mkdir()
    other = make_folder(tmp_path / "other")
    toml = (other.path / "dataset.toml").read_text()
    for modality in ("text", "audio", "video"):
        toml = toml.replace(f'"{modality}.', f'"{modality}.other-')
    other.toml(toml)
    other.arrays["one"] = -other.arrays["one"]
    other.words["end"] = other.words["end"] + 0.1
    other.save()
    form = FeatureFolder(Config())
    call(form, folder.path)
    assert_resumes(tmp_path / "home", lambda: call(form, other.path), (7, 14))


def test_another_source_in_the_place_of_one_that_was_killed(tmp_path, call):
    """The first one is given again after both were killed."""
    home = tmp_path / "home"
    home.mkdir()
    (tmp_path / "other").write_bytes(b"other")

    def first():
        call(Form("one"))

    def second():
        call(Form("two"), tmp_path / "other")

    ready = [copy for _, copy in killed(first, home, tmp_path) if (copy / READY).exists()]
    wanted = content(home)
    replace(home, ready[0])
    (tmp_path / "kept").mkdir()
    copies = killed(second, home, tmp_path / "kept")
    for moment, left in copies:
        if not (left / "mine").exists() and moment.event == "os.remove":
            replace(home, left)
            first()
            assert not difference(content(home), wanted), moment
