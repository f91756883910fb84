"""``merbench.supersede``: a row of a board gives way to another, with a reason that stays."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from merbench.api.errors import RequestError
from merbench.bench.boards import open_boards
from merbench.bench.python_function import python_function
from merbench.bench.python_session import catalog

if TYPE_CHECKING:
    from collections.abc import Sequence

    from merbench.host.catalog import Catalog
    from merbench.report.scores.rows.entries import Board, Entry
    from merbench.results.records.record import Record
    from merbench.results.store.corrections import Correction
    from merbench.results.store.store import Store


@dataclass(frozen=True)
class Superseded:
    """``old`` and ``new``: names of the rows."""

    track: str
    old: str
    new: str
    correction: Correction


@python_function
def supersede(
    old: str,
    new: str | None = None,
    *,
    reason: str,
    store: str | Path = "runs",
    dataset: str | None = None,
    track: str | None = None,
) -> Superseded:
    """The row ``old`` leaves the ranking for the row ``new`` of its board; both stay in the store,
    and boards show what was superseded, when and why.

    Without ``new``: the runs of ``old`` were made again under their own ids (``force=True``), and
    their earlier results are superseded by those of now. Rows are named as ``leaderboard`` names
    them, or by the id of one of their runs or a file of it in the store. RequestError where a row
    is missing, or meant twice.
    """
    return superseded(catalog(), Path(store), old, new, reason, dataset, track)


def superseded(
    catalog: Catalog,
    root: Path,
    old: str,
    new: str | None,
    reason: str,
    dataset: str | None = None,
    track: str | None = None,
) -> Superseded:
    """What the function and the command share."""
    from merbench.results.store.history import write_correction
    from merbench.results.store.run_names import as_run_ids
    from merbench.results.store.store import Store

    store = Store(root)
    store.require_writable()
    old, new = as_run_ids(store, old), as_run_ids(store, new) if new else None
    source, boards = open_boards(catalog, root, dataset, track)
    board = _board_with([name for name in (old, new) if name], boards)
    newer_row = old_row = _row(new or old, board)
    if new is None:
        earlier, current = _replaced(newer_row, store, source.corrections())
    else:
        old_row = _row(old, board)
        if old_row.name == newer_row.name:
            raise RequestError(f"{old} and {new} are one row; name the row that takes its place")
        earlier, current = old_row.records, newer_row.records
    correction = _correction(earlier, current, reason)
    write_correction(root, correction)
    return Superseded(board.title, old_row.name, newer_row.name, correction)


def _board_with(names: Sequence[str], boards: Sequence[Board]) -> Board:
    from merbench.host.catalog import unknown

    fitting = [board for board in boards if all(_rows(name, board) for name in names)]
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        titles = "; ".join(board.title for board in fitting)
        raise RequestError(
            f"{' and '.join(names)} stand on {len(fitting)} boards ({titles}); "
            "choose one with --dataset and --track"
        )
    row_names = [entry.name for board in boards for entry in board.entries]
    for name in names:
        if not any(_rows(name, board) for board in boards):
            raise RequestError(unknown("row", name, row_names, "merbench leaderboard shows them"))
    raise RequestError(
        f"{' and '.join(names)} stand on different boards; a row gives way to one of its own board"
    )


def _rows(name: str, board: Board) -> list[Entry]:
    from merbench.report.scores.rows.entries import rows_named

    of_run = [e for e in board.entries if any(r.run_id == name for r in e.records)]
    return of_run or rows_named(name, board.entries)


def _row(name: str, board: Board) -> Entry:
    rows = _rows(name, board)
    if len(rows) > 1:
        names = ", ".join(repr(entry.name) for entry in rows)
        raise RequestError(f"there are several rows of {name}: {names}; name one of them")
    return rows[0]


def _replaced(
    row: Entry, store: Store, corrections: Sequence[Correction]
) -> tuple[Sequence[Record], Sequence[Record]]:
    """The oldest result of each run that no correction names yet, and the runs of now."""
    from merbench.results.store.history import replaced_runs

    old_runs = {name for correction in corrections for name in correction.old}
    earlier, current = [], []
    for record in row.records:
        replaced = [r for r in replaced_runs(store, record.run_id) if r.run_id not in old_runs]
        if replaced:
            earlier.append(replaced[0])
            current.append(record)
    if not earlier:
        raise RequestError(
            f"no run of {row.name} was made again with other results; "
            "name the row that supersedes it after it"
        )
    return earlier, current


def _correction(old: Sequence[Record], new: Sequence[Record], reason: str) -> Correction:
    from pydantic import ValidationError

    from merbench.results.store.corrections import Correction, digest

    try:
        return Correction(
            old={record.run_id: digest(record) for record in old},
            new={record.run_id: digest(record) for record in new},
            reason=reason.strip(),
            date=datetime.now(UTC).date(),
        )
    except ValidationError as error:
        first_error = error.errors()[0]
        message = first_error["msg"].removeprefix("Value error, ")
        raise RequestError(f"--reason: {message}") from error
