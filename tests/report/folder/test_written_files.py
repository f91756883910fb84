"""In a folder of boards merbench replaces and removes only what it wrote there."""

from __future__ import annotations

import pytest

from merbench.api.errors import RequestError
from merbench.report.folder.written_files import (
    FILE,
    PAGE_MARK,
    is_unfinished,
    refuse_others,
    replace_written,
    written,
)
from merbench.results.files import temporary_beside


def keep_all(name):
    return True


def files(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name != FILE
    }


def test_what_was_written_before_is_replaced_and_the_rest_stays(tmp_path):
    replace_written(tmp_path, {"a.svg": b"1", "b.svg": b"1", "runs/c.json": b"1"}, keep_all)
    (tmp_path / "mine.svg").write_bytes(b"mine")
    (tmp_path / "runs/mine.json").write_bytes(b"mine")
    replace_written(tmp_path, {"a.svg": b"2"}, keeps=lambda name: not name.endswith(".svg"))
    assert files(tmp_path) == {
        "a.svg": b"2",
        "runs/c.json": b"1",
        "mine.svg": b"mine",
        "runs/mine.json": b"mine",
    }
    assert written(tmp_path) == {"a.svg", "runs/c.json"}


@pytest.mark.parametrize("kind", ["file", "link", "folder"])
def test_a_file_of_somebody_else_in_the_way_is_named_and_nothing_is_written(tmp_path, kind):
    outside, board = tmp_path / "outside", tmp_path / "board"
    outside.write_bytes(b"mine")
    board.mkdir()
    if kind == "file":
        (board / "index.html").write_bytes(b"mine")
    elif kind == "link":
        (board / "index.html").symlink_to(outside)
    else:
        (board / "index.html").mkdir()
    with pytest.raises(RequestError, match=r"index.html is in the way, and merbench did not write"):
        replace_written(board, {"a.svg": b"1", "index.html": b"2"}, keep_all)
    assert outside.read_bytes() == b"mine" and {p.name for p in board.iterdir()} == {"index.html"}


def test_what_lies_behind_a_link_in_the_place_of_a_folder_is_somebody_elses(tmp_path):
    outside, board = tmp_path / "outside", tmp_path / "board"
    board.mkdir()
    replace_written(board, {"runs/c.json": b"1"}, keep_all)
    (board / "runs").rename(outside)
    (board / "runs").symlink_to(outside)
    with pytest.raises(RequestError, match=r"board/runs is in the way"):
        replace_written(board, {"runs/c.json": b"2"}, keep_all)
    replace_written(board, {"a.svg": b"2"}, keeps=lambda name: False)
    assert (outside / "c.json").read_bytes() == b"1" and written(board) == {"a.svg"}


def test_a_file_with_the_same_content_is_not_in_the_way(tmp_path):
    (tmp_path / "index.html").write_bytes(b"2")
    replace_written(tmp_path, {"index.html": b"2"}, keep_all)
    assert written(tmp_path) == {"index.html"}


def test_records_of_a_contribution_are_not_dropped(tmp_path):
    replace_written(tmp_path, {"records/a.json": b"1"}, keep_all)
    refuse_others(tmp_path, ("records/*",))
    (tmp_path / "records/b.json").write_bytes(b"2")
    with pytest.raises(RequestError, match=r"records/b.json is in the way"):
        refuse_others(tmp_path, ("records/*",))


def test_a_board_from_before_the_lists_is_known_by_its_page(tmp_path):
    for name in ("rows.json", "records/a.json", "table.md", "mine.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"1")
    (tmp_path / "index.html").write_bytes(b"a page of my own")
    assert not written(tmp_path)
    (tmp_path / "index.html").write_bytes(b"<html>" + PAGE_MARK)
    assert written(tmp_path) == {"rows.json", "records/a.json", "table.md", "index.html"}


@pytest.mark.parametrize("text", ["", "[]", '{"files": ["../../x"]}', '{"files": [1]}', "[" * 5000])
def test_a_list_that_is_damaged_or_leaves_the_folder_is_refused(tmp_path, text):
    (tmp_path / FILE).write_text(text)
    with pytest.raises(RequestError, match=r"written.json cannot be read"):
        replace_written(tmp_path, {"a": b""}, keep_all)


@pytest.mark.parametrize(
    ("name", "unfinished"),
    [("", True), ("index.html", True), ("mine.txt", False), ("records/a.json", False)],
)
def test_a_build_that_broke_off_before_its_records_is_begun_again(tmp_path, name, unfinished):
    replace_written(tmp_path, {"index.html": b"1", "records/a.json": b"1"}, keep_all)
    for path in (tmp_path / "index.html", tmp_path / "records/a.json"):
        path.unlink()
    temporary_beside(tmp_path / "index.html")
    if name:
        (tmp_path / name).write_bytes(b"2")
    assert is_unfinished(tmp_path) == unfinished
