"""How far a study is, read from its store: what is done, running, failed and waiting, and how long
the rest will take.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from merbench.results.store.claims import Claims, Holder
from merbench.results.store.store import Store
from merbench.study.layout import Cell
from merbench.study.time_left import TimeLeft, seconds_by_progress, share_left


@dataclass(frozen=True)
class CellStatus:
    """One cell's runs, counted. ``seconds``: what a run of it takes, None where none is done.
    ``errors``: of the failed ones, each once.
    """

    cell: Cell
    done: int
    running: int
    failed: int
    waiting: int
    seconds: float | None
    errors: tuple[str, ...] = ()
    running_about: tuple[Mapping[str, Any], ...] = ()
    """What the claims of the running ones say of how far they are."""

    @property
    def running_left(self) -> float:
        """The running ones, each as the share that is left of it."""
        return sum(share_left(about) for about in self.running_about)

    @property
    def total(self) -> int:
        return self.done + self.running + self.failed + self.waiting


def status_of_cells(cells: Sequence[Cell], store: Store) -> list[CellStatus]:
    """A failed run that is being tried again counts as running."""
    holders = Claims(store.root).held()
    return [_status(cell, store, holders) for cell in cells]


def _status(cell: Cell, store: Store, holders: Mapping[str, Holder]) -> CellStatus:
    run_ids = [run.run_id for run in cell.runs]
    records = {name: None if cell.pending else store.get(name) for name in run_ids}
    done = [r for r in records.values() if r and r.status == "done"]
    finished = {record.run_id for record in done}
    running = [name for name in run_ids if name in holders and name not in finished]
    failed = [r for r in records.values() if r and r.status == "failed" and r.run_id not in holders]
    seconds = [r.cost.seconds for r in done if r.cost]
    errors = dict.fromkeys(r.error or "" for r in failed)
    if cell.search and cell.search.error:
        errors = {cell.search.error: None, **errors}
    abouts = () if cell.pending else tuple(holders[name].about for name in running)
    return CellStatus(
        cell,
        done=len(done),
        running=len(abouts),
        failed=len(failed),
        waiting=len(run_ids) - len(done) - len(failed) - len(abouts),
        seconds=fmean(seconds) if seconds else None,
        errors=tuple(errors),
        running_about=abouts,
    )


def at_once(cells: Sequence[CellStatus]) -> int:
    """As many runs as are running; one where none is."""
    return max(1, sum(status.running for status in cells))


def seconds_left(cells: Sequence[CellStatus]) -> float | None:
    """An estimate, ``at_once`` runs at a time; None where nothing is known."""
    time_left = TimeLeft()
    runs_by_cell = dict[str, float]()
    search_seconds = 0.0
    for number, status in enumerate(cells):
        cell, name = status.cell, str(number)
        runs_by_cell[name] = status.waiting + status.running_left
        if status.seconds is not None:
            time_left.add(name, status.seconds)
        if cell.search and cell.search.finished:
            time_left.add(f"trial {name}", cell.search.seconds / cell.search.finished)
            search_seconds += cell.search.seconds_left if cell.pending else 0.0
    if not time_left.seconds_a_run:
        time_left = seconds_by_progress(
            (str(number), about) for number, s in enumerate(cells) for about in s.running_about
        )
    n_at_once = at_once(cells)
    runs = time_left.estimate(runs_by_cell, n_at_once)
    return None if runs is None else runs + search_seconds / n_at_once
