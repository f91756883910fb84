"""Rows that join a table which is there."""

from __future__ import annotations

import pytest

from merbench.api import DataError
from merbench.data.folder.label_table import read_table
from merbench.data.intake.rows.join import as_csv, joined_rows, new_rows


@pytest.fixture
def join(tmp_path):
    """Columns joined to a table of 20 rows whose labels are 0, 1, 0, 1, ... and the notes on it."""
    path = tmp_path / "label.csv"
    path.write_text(
        "video_id,clip_id,text,label\n" + "".join(f"a,{k},,{k % 2}\n" for k in range(20))
    )

    def call(**columns):
        notes = []
        mine = {"video_id": ["a"] * 20, "clip_id": [str(k) for k in range(20)], **columns}
        return joined_rows(
            read_table(path), {"label": 0.06}, mine, lambda *refused: None, notes.append
        )[0], notes

    return call


def test_empty_cells_are_filled_and_counted(join):
    joined, notes = join(text=["so", "", *["good"] * 18], more=["x"] * 20)
    assert joined["text"] == ["so", "", *["good"] * 18] and joined["more"] == ["x"] * 20
    assert notes == ["19 empty cells of column text are filled"]


def test_rows_whose_labels_are_others_are_refused(join):
    labels = [str(k % 2) for k in range(20)]
    (note,) = join(label=["0.05", "0", *labels[2:]])[1]
    assert "2 cells of column label differ from those that are there, which are kept;" in note
    assert "another --name" in note
    assert not join(label=["", "", *labels[2:]])[1]  # an empty cell says nothing else
    with pytest.raises(
        DataError, match=r"20 of 20 cells of column label are others than in .*label\.csv"
    ):
        join(label=labels[::-1])
    with pytest.raises(DataError, match="3 of 20"):
        join(label=["1", "0", "1", *labels[3:]])


def test_times_that_differ_by_more_than_rounding_are_reported_once(tmp_path):
    path = tmp_path / "label.csv"
    path.write_text(
        "video_id,clip_id,start,end\n" + "".join(f"a,{k},{k},{k + 1}\n" for k in range(9))
    )
    starts, ends = [str(k + 0.004) for k in range(9)], [str(k + 1) for k in range(9)]
    starts[3], notes = "3.5", []
    columns = {"video_id": ["a"] * 9, "clip_id": [*map(str, range(9))], "start": starts}
    joined, _ = joined_rows(
        read_table(path), {}, columns | {"end": ends}, lambda *refused: None, notes.append
    )
    assert joined["start"][3] == "3"
    assert notes == [
        (
            "1 of 9 rows start at another time than here, by up to 0.5 s; the times here are "
            "kept, and what this source brings is cut by its own"
        )
    ]


def test_an_id_in_two_splits_is_told_as_that(join, tmp_path):
    columns = {"video_id": ["a"] * 3, "clip_id": ["1"] * 3, "mode": ["train", "train", "test"]}
    why = "its id is in train and in test, and the row of test is left out; take it out of one"
    path = tmp_path / "label.csv"
    refused = []
    new_rows(columns, lambda *row: refused.append(row))
    joined_rows(read_table(path), {}, columns, lambda *row: refused.append(row), print)
    assert refused[0] == refused[2] == ("a_1", "its id stands in the source already")
    assert refused[1] == refused[3] and refused[3][1].startswith(why)


def test_a_carriage_return_does_not_end_a_line(tmp_path):
    cells = new_rows(
        {"video_id": ["a", "b"], "clip_id": ["1", "1"], "text": ["so\rgood", "so\r\ngood"]},
        lambda *refused: None,
    )
    (tmp_path / "label.csv").write_bytes(as_csv(cells))
    assert read_table(tmp_path / "label.csv").cells["text"] == ["so good", "so\r\ngood"]
