"""How far a study is, as tables or JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from merbench.api.plural import count_of
from merbench.cli.shared.output import plain_table, say, show, show_json
from merbench.study.time_left import duration

if TYPE_CHECKING:
    from merbench.results.store.store import Store
    from merbench.study.layout import Cell
    from merbench.study.opened import OpenedStudy
    from merbench.study.status import CellStatus

COUNTS = ("done", "running", "failed", "waiting")


def report(opened: OpenedStudy, store: Store, as_json: bool) -> list[CellStatus]:
    """stdout: a table a track, or one JSON object; stderr: what failed, and the totals."""
    from merbench.study.status import at_once, seconds_left, status_of_cells

    cells = status_of_cells(opened.cells, store)
    for warning in store.warnings:
        say(f"warning: {warning}")
    seconds = seconds_left(cells)
    totals = {count: sum(getattr(cell, count) for cell in cells) for count in COUNTS}
    if as_json:
        show_json({**totals, "seconds_left": seconds, "cells": [_as_dict(cell) for cell in cells]})
        return cells
    _show_cells(cells, tuned=opened.study.tune is not None)
    for status in cells:
        for error in status.errors:
            say(f"failed: {status.cell.label} ({status.cell.track}): {error}")
    time_left = f"; about {duration(seconds)} left, {at_once(cells)} at a time" if seconds else ""
    say(", ".join(f"{number} {count}" for count, number in totals.items()) + time_left)
    return cells


def report_dry_run(opened: OpenedStudy, store: Store, as_json: bool) -> None:
    """What would be made."""
    missing = {run.run_id for run in opened.missing(store)}
    if as_json:
        runs = [
            {
                "run_id": run.run_id,
                "track": cell.track,
                "model": cell.label,
                "seed": run.seed,
                "fold": run.fold,
            }
            for cell in opened.cells
            for run in cell.runs
            if run.run_id in missing and not cell.pending
        ]
        pending = [{"track": c.track, "model": c.label} for c in opened.cells if c.pending]
        show_json({"runs": runs, "after_tuning": pending})
        return
    to_make = {
        id(cell): sum(cell.pending or run.run_id in missing for run in cell.runs)
        for cell in opened.cells
    }
    rows = [(cell, (str(len(cell.runs)), str(to_make[id(cell)]))) for cell in opened.cells]
    _show_rows(("runs", "to make"), rows)
    searches = [cell.search for cell in opened.cells if cell.pending and cell.search]
    trials = sum(search.wanted - search.finished for search in searches)
    planned = [count_of(trials, "trial")] if searches else []
    planned.append(count_of(sum(to_make.values()), "run"))
    say(f"to make: {', then '.join(planned)}")


def _as_dict(status: CellStatus) -> dict[str, object]:
    return {
        "track": status.cell.track,
        "model": status.cell.label,
        **{count: getattr(status, count) for count in COUNTS},
        "seconds": status.seconds,
        "errors": status.errors,
        "trials": _trials(status.cell),
    }


def _trials(cell: Cell) -> tuple[int, int] | None:
    """Finished and wanted."""
    return (cell.search.finished, cell.search.wanted) if cell.search else None


def _show_cells(cells: Sequence[CellStatus], tuned: bool) -> None:
    rows = []
    for status in cells:
        trials = [" / ".join(map(str, _trials(status.cell) or "–"))] if tuned else []
        counts = [str(getattr(status, count) or "–") for count in COUNTS]
        seconds = "–" if status.seconds is None else duration(status.seconds)
        rows.append((status.cell, [*trials, *counts, seconds]))
    _show_rows((*(["trials"] if tuned else []), *COUNTS, "a run"), rows)


def _show_rows(columns: Sequence[str], rows: Sequence[tuple[Cell, Sequence[str]]]) -> None:
    """One table a track."""
    from itertools import groupby

    width = max(len(cell.label) for cell, _ in rows)
    for track, track_rows in groupby(rows, key=lambda row: row[0].track):
        table = plain_table(track)
        table.add_column("model", min_width=width)
        for column in columns:
            table.add_column(column, justify="right", min_width=7)
        for cell, values in track_rows:
            table.add_row(cell.label, *values)
        show(table)
