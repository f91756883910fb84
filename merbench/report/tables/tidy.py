"""A tidy table for programs: one line a row of any track, plain numbers that are neither scaled nor
rounded.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from merbench.report.scores.board.board_scores import BoardScores
from merbench.report.scores.rows.entries import Board, Entry
from merbench.report.tables.board_sheet import Sheet, trainable, training_seconds
from merbench.report.tables.table import Cell, Row

FIRST = ("track", "model", "settings", "group", "rank", "tied_with_best", "seeds")
LAST = ("trainable", "training_seconds", "tuning_trials", "tuning_seconds")


def tidy(pages: Iterable[tuple[Board, BoardScores, Sheet]]) -> list[dict[str, Any]]:
    """A mapping a shown row: ``FIRST``, then each metric's mean over seeds as ``<metric>``, its
    deviation ``<metric>_sd`` and 95 % interval ``<metric>_low``, ``<metric>_high``, then ``LAST``.
    None where nothing is known. All have the same keys.
    """
    rows: list[dict[str, Any]] = []
    for board, scores, page in pages:
        for row in page.rows:
            entry = board.by_name.get(row.name) if row.label else None
            values = {"track": board.title, "model": row.shown_name, "group": row.group}
            rows.append(values | (_of_entry(entry, scores) if entry else _of_cells(row)))
    middle = dict.fromkeys(key for row in rows for key in row if key not in (*FIRST, *LAST))
    return [{key: row.get(key) for key in (*FIRST, *middle, *LAST)} for row in rows]


def to_csv(rows: Sequence[Mapping[str, Any]]) -> str:
    """``pandas.read_csv`` reads it as it is, and a spreadsheet computes nothing of it."""
    out = io.StringIO()
    writer = csv.DictWriter(out, list(rows[0]) if rows else [*FIRST, *LAST], lineterminator="\n")
    writer.writeheader()
    writer.writerows({key: _cell(value) for key, value in row.items()} for row in rows)
    return out.getvalue()


def _cell(value: Any) -> Any:
    """A spreadsheet would take a text that begins like a formula for one; an apostrophe before it
    says that it is a text.
    """
    formula = isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r")
    return f"'{value}" if formula else value


def _of_entry(entry: Entry, scores: BoardScores) -> dict[str, Any]:
    row = scores.all_rows[entry.name]
    standing = scores.standings.get(entry.name)
    search = entry.first.tuned_by or {}
    values: dict[str, Any] = {
        "settings": entry.shown_settings,
        "rank": standing.rank if standing else None,
        "tied_with_best": standing.with_the_best if standing else None,
        "seeds": len(row.seeds),
    }
    for metric, summary in row.summary.items():
        low, high = row.intervals.get(metric, (None, None))
        values |= {metric: _defined(summary.mean), f"{metric}_sd": _defined(summary.sd)}
        if low is not None:
            values |= {f"{metric}_low": low, f"{metric}_high": high}
    return values | {
        "trainable": trainable(entry),
        "training_seconds": round(training_seconds(entry), 3),
        "tuning_trials": search.get("trials"),
        "tuning_seconds": search.get("seconds"),
    }


def _of_cells(row: Row) -> dict[str, Any]:
    return {key: _defined(cell.mean) for key, cell in row.cells.items() if isinstance(cell, Cell)}


def _defined(value: float | None) -> float | None:
    return None if value is None or math.isnan(value) else value
