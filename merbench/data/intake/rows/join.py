"""The rows of a data set that is being added: a new table, or the one that is there, with columns
joined to it by id.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

from merbench.api.errors import DataError
from merbench.api.material.delimited import number_of
from merbench.data.folder.label_table import Table
from merbench.data.intake.rows.match import same

_UNFIT = re.compile(r"\0|\r(?!\n)")
TIMES = ("start", "end")
ROUNDED = 0.02
"""Seconds: sources print times with two digits and more."""
Refuse = Callable[[str, str], None]


def new_rows(columns: Mapping[str, Sequence[str]], refuse: Refuse) -> dict[str, list[str]]:
    """Columns sorted by video and clip. A row without a name, and the second of one name, is
    refused.
    """
    cells = _cells(columns)
    row_of_id: dict[tuple[str, str], int] = {}
    for row, key in enumerate(zip(cells["video_id"], cells["clip_id"], strict=True)):
        if not all(key):
            refuse(f"row {row}", "it has no video_id or no clip_id")
        elif key in row_of_id:
            refuse("_".join(key), _stands_already(cells, row_of_id[key], row))
        else:
            row_of_id[key] = row
    # A clip's number by its value: 2 before 10.
    order = sorted(
        row_of_id.values(),
        key=lambda row: (cells["video_id"][row], len(cells["clip_id"][row]), cells["clip_id"][row]),
    )
    return {name: [column[row] for row in order] for name, column in cells.items()}


def joined_rows(
    table: Table,
    scores: Mapping[str, float],
    columns: Mapping[str, Sequence[str]],
    refuse: Refuse,
    note: Callable[[str], None],
    apart: Mapping[str, str] = MappingProxyType({}),
) -> tuple[dict[str, list[str]], int]:
    """``(all columns, how many rows were found)``: the table's cells stay as they are, and those it
    lacks are joined by id.

    ``apart``: video -> why its rows have no partner here. ``scores``: column -> from which
    difference on two labels are not the same. DataError where more than a tenth are not, or no row
    is found.
    """
    cells = _cells(columns)
    row_of_id = _rows_here(table, cells, refuse, apart)
    if cells["video_id"] and not row_of_id:
        example_ids = f"{ids_of(cells)[0]}; here they are called like {table.ids[0]}"
        raise DataError(
            f"no row of the source is in {table.path}: its ids are like {example_ids}. "
            "Rows of one video are also joined by order in time, where counts and labels agree; "
            "add the source under another --name"
        )
    cells_here = {name: list(column) for name, column in table.cells.items()}
    for name, column in cells.items():
        old_cells = cells_here.setdefault(name, [""] * len(table))
        new = {
            row: column[row_of_id[row_id]]
            for row, row_id in enumerate(table.ids)
            if row_id in row_of_id
        }
        _compare(table, name, old_cells, new, scores.get(name), note)
        empty = [row for row in new if not old_cells[row].strip() and new[row].strip()]
        for row in empty:
            old_cells[row] = new[row]
        if empty and name in table.cells:
            note(f"{len(empty)} empty cells of column {name} are filled")
    return cells_here, len(row_of_id)


def _rows_here(
    table: Table, cells: Mapping[str, Sequence[str]], refuse: Refuse, apart: Mapping[str, str]
) -> dict[str, int]:
    """Id -> row of the source, of the rows that the table has too; the others are refused."""
    row_of_id: dict[str, int] = {}
    known = set(table.ids)
    for row, row_id in enumerate(ids_of(cells)):
        if row_id in row_of_id:
            refuse(row_id, _stands_already(cells, row_of_id[row_id], row))
        elif row_id not in known:
            reason = apart.get(cells["video_id"][row])
            refuse(row_id, f"{table.path.name} has no such row" + (f": {reason}" if reason else ""))
        else:
            row_of_id[row_id] = row
    return row_of_id


def _compare(
    table: Table,
    column: str,
    old_cells: Sequence[str],
    new: Mapping[int, str],
    tolerance: float | None,
    note: Callable[[str], None],
) -> None:
    """Note what ``new``, by row, has otherwise than the ``old_cells`` of a column. ``tolerance``:
    of a score; DataError where more than a tenth of its labels differ by more.
    """
    filled = [row for row in new if old_cells[row].strip()]
    if tolerance is not None:
        _require_same_labels(table, column, [(old_cells[r], new[r]) for r in filled], tolerance)
    if column in TIMES:
        _note_other_times(column, old_cells, new, filled, note)
    elif differ := sum(not same(old_cells[r], new[r]) for r in filled if new[r].strip()):
        note(
            f"{differ:,} cells of column {column} differ from those that are there, "
            "which are kept; to have these, add them under another --name, or delete the data "
            "set's folder first"
        )


def _stands_already(cells: Mapping[str, Sequence[str]], first: int, second: int) -> str:
    """Why the second of two rows of one id is refused; ``mode`` is the column of splits."""
    splits = cells.get("mode")
    if splits is None or splits[first] == splits[second]:
        return "its id stands in the source already"
    return (
        f"its id is in {splits[first]} and in {splits[second]}, and the row of {splits[second]} is "
        "left out; take it out of one, or give the two rows two ids"
    )


def _require_same_labels(
    table: Table, column: str, cells: Sequence[tuple[str, str]], tolerance: float
) -> None:
    """``cells``: of each row here and in the source. DataError where more than a tenth differ."""
    labels = [pair for pair in cells if pair[1].strip()]
    differ = sum(not same(*pair, tolerance) for pair in labels)
    if 10 * differ > len(labels):
        raise DataError(
            f"{differ} of {len(labels)} cells of column {column} are others than in "
            f"{table.path}, so equal ids do not mean equal rows; "
            "where clips are counted from another number, give --set first=N, "
            "else add the source under another --name"
        )


def _note_other_times(
    column: str,
    old_cells: Sequence[str],
    new: Mapping[int, str],
    rows: Sequence[int],
    note: Callable[[str], None],
) -> None:
    seconds = _apart(old_cells, new, rows)
    if seconds:
        note(
            f"{len(seconds)} of {len(rows)} rows {column} at another time than here, by "
            f"up to {max(seconds):.3g} s; the times here are kept, and what this source "
            "brings is cut by its own"
        )


def _apart(
    cells_here: Sequence[str], cells_there: Mapping[int, str], rows: Sequence[int]
) -> list[float]:
    """By how many seconds the times of these rows differ, where that is more than rounding."""
    apart = []
    for row in rows:
        try:
            apart.append(abs(number_of(cells_here[row]) - number_of(cells_there[row])))
        except ValueError:
            continue
    return [seconds for seconds in apart if seconds > ROUNDED]


def ids_of(cells: Mapping[str, Sequence[str]]) -> list[str]:
    return [
        f"{video}_{clip}" for video, clip in zip(cells["video_id"], cells["clip_id"], strict=True)
    ]


def as_csv(cells: Mapping[str, Sequence[str]]) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(cells)
    writer.writerows(zip(*cells.values(), strict=True))
    return text.getvalue().encode()


def _cells(columns: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
    """As a label file can hold them: UTF-8 without NUL, and no line ends at a carriage return
    alone.
    """
    if lacks := {"video_id", "clip_id"} - columns.keys():
        raise DataError(
            f"the table has no column {min(lacks)!r}; give each row a video_id and a clip_id"
        )
    if len({len(column) for column in columns.values()}) != 1:
        raise DataError(
            "the columns of the table are of different lengths: "
            + ", ".join(f"{k} {len(v)}" for k, v in columns.items())
        )
    return {
        name: [_UNFIT.sub(" ", cell.encode(errors="replace").decode()) for cell in column]
        for name, column in columns.items()
    }
