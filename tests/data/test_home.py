from __future__ import annotations

from pathlib import Path

import pytest

from merbench.api import DataError
from merbench.data.home import data_homes, find_folder, missing_message, unknown_message


def test_homes_in_order():
    environ = {"MERBENCH_DATA": "/m", "XDG_DATA_HOME": "/x", "HOME": "/h"}
    assert data_homes(Path("d"), environ) == [Path("d"), Path("/m"), Path("/x/merbench")]
    assert data_homes(None, {"HOME": "/h"}) == [Path("/h/.local/share/merbench")]
    assert data_homes(Path("/m"), {"MERBENCH_DATA": "/m", "HOME": "/h"}) == [
        Path("/m"),
        Path("/h/.local/share/merbench"),
    ]


def test_an_empty_or_relative_variable_is_none():
    assert data_homes(None, {"MERBENCH_DATA": "", "XDG_DATA_HOME": "share", "HOME": "/h"}) == [
        Path("/h/.local/share/merbench")
    ]


def test_find(folder, tmp_path):
    empty = tmp_path / "empty"
    empty.mkdir()
    assert find_folder("tiny", [empty, tmp_path]) == folder.path
    # The folder itself may be named, whatever it is called.
    moved = folder.path.rename(tmp_path / "other")
    assert find_folder("tiny", [moved]) == moved
    assert find_folder("mosi", [moved, tmp_path]) is None
    assert find_folder("tiny", [tmp_path / "nowhere"]) is None


def test_a_home_whose_settings_are_broken_says_so(folder):
    folder.toml("name = ")
    with pytest.raises(DataError, match=r"dataset\.toml is not TOML"):
        find_folder("tiny", [folder.path])


def test_the_message_says_where_how_and_what_else():
    message = missing_message("mosi", [Path("/m"), Path("/x")], "Get it there.")
    for part in (
        "'mosi'",
        "/m/mosi/dataset.toml",
        "/x/mosi/dataset.toml",
        "Get it there.",
        "--dataset sample",
    ):
        assert part in message
    assert "  " not in missing_message("mine", [Path("/m")], "")


def test_a_name_that_nobody_declares_is_told_with_what_there_is_and_where_it_was_looked_for(
    folder, tmp_path
):
    homes = [folder.path.parent, tmp_path / "nowhere"]
    message = unknown_message("tyny", homes, ["mosi"])
    assert (
        "did you mean 'tiny'?" in message
        and f"{homes[0]}, {homes[1]} (which is no folder)" in message
    )
    (homes[0] / "bare").mkdir()
    assert unknown_message("bare", homes, []).startswith(f"{homes[0] / 'bare'} has no dataset.toml")


def test_the_declared_data_sets(catalog):
    for name in ("mosi", "mosei"):
        component = catalog.component("dataset", name)
        assert (
            component.folder == name
            and "MERBENCH_DATA" in component.obtain
            and not component.target
        )
