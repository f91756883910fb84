"""Folders of boards written, drawn and exported, killed at any moment and asked again."""

from __future__ import annotations

import importlib

import pytest

from merbench.report.folder.written_files import FILE, PAGE_MARK, replace_written, written
from merbench.results.store.store import Store
from tests.kills import resumes
from tests.report.made import put, spec


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "boards").mkdir()
    (tmp_path / "boards/mine.svg").write_bytes(b"mine")
    return tmp_path / "boards"


def test_what_was_written_before_is_replaced(folder):
    def listed():
        own = written(folder)
        assert "mine.svg" not in own
        for path in folder.rglob("*"):
            name = path.relative_to(folder).as_posix()
            assert path.is_dir() or name in {*own, FILE, "mine.svg"} or name.endswith(".tmp")

    def call():
        contents = {"index.html": b"new", "new.svg": b"new", "records/a.json": b"new"}
        replace_written(folder, contents, keeps=lambda name: name.endswith(".csv"))

    resumes(folder, call, listed)
    earlier = {"index.html": b"old", "old.svg": b"old", "table.csv": b"old"}
    replace_written(folder, earlier, keeps=lambda name: False)
    resumes(folder, call, listed)


@pytest.fixture
def store(tmp_path):
    store = Store(tmp_path / "runs")
    put(store, 0.6, spec("mult", dataset="there"), range(2))
    return store


def drawn(monkeypatch):
    """Pictures and pages that take no time."""

    def site(folders, pictures):
        names = [
            f"{folder.path.name}/{name}" for folder in folders for name in ("a.svg", "index.html")
        ]
        return dict.fromkeys([*names, "index.html"], PAGE_MARK)

    # Imported first, and so not with what is drawn here.
    importlib.import_module("merbench.report.verify.board")
    monkeypatch.setattr("merbench.report.site.site.site", site)


def test_a_board_is_built_over_an_earlier_one(merbench, tmp_path, store, monkeypatch):
    drawn(monkeypatch)
    out = tmp_path / "boards"
    out.mkdir()
    call = lambda: merbench("leaderboard", "build", "--out", str(out), check=True)  # noqa: E731
    call()
    put(store, 0.4, spec("tfn", dataset="there"), range(2))
    put(store, 0.4, spec("tfn", dataset="there", protocol="folds"), range(2), (0, 1))
    resumes(out, call)


def test_runs_are_submitted(merbench, tmp_path, store, monkeypatch):
    drawn(monkeypatch)
    (tmp_path / "out").mkdir()
    words = ("leaderboard", "submit", "mult", "--out", str(tmp_path / "out/mine"))
    resumes(tmp_path / "out", lambda: merbench(*words, check=True))


def test_boards_are_exported(merbench, tmp_path, store):
    (tmp_path / "out").mkdir()
    words = ("leaderboard", "export", "--format", "bibtex", "--out", str(tmp_path / "out"))
    resumes(tmp_path / "out", lambda: merbench(*words, check=True))
