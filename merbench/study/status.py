"""How far a study is, read from its store: what is done, running, failed and waiting, and how long
the rest will take.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from merbench.results.claims import Claims
from merbench.results.store import Store
from merbench.study.layout import Cell


@dataclass(frozen=True)
class Standing:
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

    @property
    def total(self) -> int:
        return self.done + self.running + self.failed + self.waiting


def standings(cells: Sequence[Cell], store: Store) -> list[Standing]:
    """A failed run that is being tried again counts as running."""
    held = Claims(store.root).held()
    found = []
    for cell in cells:
        records = {
            unit.run_id: None if cell.pending else store.get(unit.run_id) for unit in cell.units
        }
        done = [r for r in records.values() if r and r.status == "done"]
        failed = [
            r for name, r in records.items() if r and r.status == "failed" and name not in held
        ]
        running = sum(
            1
            for name, r in records.items()
            if name in held and not cell.pending and not (r and r.status == "done")
        )
        costs = [r.cost.seconds for r in done if r.cost]
        errors = tuple(dict.fromkeys(r.error or "" for r in failed))
        if cell.search and cell.search.error:
            errors = (cell.search.error, *errors)
        waiting = len(records) - len(done) - len(failed) - running
        found.append(
            Standing(
                cell,
                len(done),
                running,
                len(failed),
                waiting,
                fmean(costs) if costs else None,
                errors,
            )
        )
    return found


def seconds_left(found: Sequence[Standing], at_once: int) -> float | None:
    """An estimate, ``at_once`` runs at a time. A cell of which nothing is done is taken for an
    average one; None where none is known.
    """
    known = [s.seconds for s in found if s.seconds is not None]
    known += [
        s.cell.search.seconds / s.cell.search.finished
        for s in found
        if s.cell.search and s.cell.search.finished
    ]
    if not known:
        return None
    # Of a running one half is done, on average.
    work = sum(
        (s.waiting + s.running / 2) * (fmean(known) if s.seconds is None else s.seconds)
        for s in found
    )
    work += sum(s.cell.search.seconds_left for s in found if s.cell.search and s.cell.pending)
    return work / max(1, at_once)
