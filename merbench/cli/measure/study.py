"""``merbench study``: many models, tracks and seeds as one job that can be stopped, shared and gone
on with.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from merbench.cli.shared.groups import FullHelpGroup
from merbench.cli.shared.output import say, show, show_json
from merbench.cli.shared.session import Session

if TYPE_CHECKING:
    from merbench.api.parts import Executor
    from merbench.results.record import Record
    from merbench.results.store import Store
    from merbench.runs.workspace import Material
    from merbench.study.file import StudyFile
    from merbench.study.layout import Cell, Unit
    from merbench.study.make import Worker
    from merbench.study.status import Standing


COUNTS = ("done", "running", "failed", "waiting")


def study_options(function: Callable[..., Any]) -> Callable[..., Any]:
    options = [
        click.argument("file", metavar="STUDY.toml", type=click.Path(path_type=Path)),
        click.option(
            "--data",
            type=click.Path(path_type=Path),
            help="Where data sets lie (also MERBENCH_DATA).",
        ),
        click.option(
            "--store",
            type=click.Path(path_type=Path),
            envvar="MERBENCH_STORE",
            default="runs",
            show_default=True,
            help="Where records go.",
        ),
        click.option(
            "--json",
            "as_json",
            is_flag=True,
            help="One JSON object on stdout, and nothing else there.",
        ),
    ]
    for option in reversed(options):
        function = option(function)
    return function


@click.group("study", cls=FullHelpGroup)
def command() -> None:
    """Models x data sets x tracks x seeds, described in one file.

    \b
    Example: merbench study run STUDY.toml --jobs 4
             merbench study status STUDY.toml
    """


@command.command("run")
@study_options
@click.option(
    "--jobs", type=click.IntRange(1), default=1, show_default=True, help="Runs made at once."
)
@click.option(
    "--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto", show_default=True
)
@click.option(
    "--threads",
    type=click.IntRange(1),
    envvar="MERBENCH_THREADS",
    help="CPU threads of one run.  [default: cores / jobs]",
)
@click.option(
    "--executor",
    "executor",
    metavar="NAME",
    default="local",
    show_default=True,
    help="Where (merbench list executors).",
)
@click.option(
    "--executor-set",
    "settings",
    metavar="KEY=VALUE",
    multiple=True,
    help="A setting of the executor, such as partition=gpu.",
)
@click.option("--dry-run", is_flag=True, help="Only list what would be run.")
@click.pass_obj
def run(
    session: Session, file: Path, data: Path | None, store: Path, as_json: bool, jobs: int, device: str, threads: int | None,
    executor: str, settings: tuple[str, ...], dry_run: bool,
) -> None:  # fmt: skip
    """Make every run of a study that the store lacks. The same command goes on after a stop, and
    several may work on one store.

    A run that fails is recorded with its error and the rest go on; the next call tries it again.

    \b
    Example: merbench study run STUDY.toml --jobs 4
             merbench study run STUDY.toml --jobs 40 --executor slurm --executor-set partition=gpu
             merbench study run STUDY.toml --dry-run
    """
    from merbench.results.spec import parse_settings
    from merbench.results.store import Store
    from merbench.runs.machine import Machine
    from merbench.study.executor import executor_of
    from merbench.study.make import Worker

    kept = Store(store.absolute())
    runner = executor_of(
        session.catalog, executor, parse_settings(settings, "--executor-set"), jobs, kept.root
    )
    if not dry_run:
        kept.require_writable()
    opened = _open(session, file, data, kept)
    if dry_run:
        _dry_run(opened, kept, as_json)
        return
    if executor == "local":
        threads = Machine.choose(device, threads, jobs).threads
    if any(cell.pending for cell in opened.cells):
        _tune(opened, kept, runner, jobs, device, threads)
        opened = _open(session, file, data, kept, again=True)
    elsewhere = _make(opened, kept, runner, Worker(opened.material, kept.root, device, threads))
    found = _report(opened, kept, jobs, as_json)
    if elsewhere:
        say(
            f"{elsewhere} runs went into another store: bring it here, then merbench store merge DIR --into {store}"
        )
    raise SystemExit(
        1 if elsewhere or any(s.failed or s.errors or s.cell.pending for s in found) else 0
    )


@command.command("status")
@study_options
@click.pass_obj
def status(session: Session, file: Path, data: Path | None, store: Path, as_json: bool) -> None:
    """How far a study is, and an estimate of the time left. It reads the store alone, so it may be
    asked from anywhere at any time.

    \b
    Example: merbench study status STUDY.toml
    """
    from merbench.results.claims import Claims
    from merbench.results.store import Store

    kept = Store(store)
    opened = _open(session, file, data, kept)
    mine = {unit.run_id for cell in opened.cells for unit in cell.units}
    held = [holder for name, holder in Claims(store).held().items() if name in mine]
    _report(opened, kept, len(held), as_json)


@dataclass(frozen=True)
class Opened:
    """A study file with what it names."""

    file: Path
    study: StudyFile
    material: Material
    cells: Sequence[Cell]

    def missing(self, store: Store) -> list[Unit]:
        """The runs that can be made and are not done."""
        return [unit for unit, record in self.held(store) if not record]

    def held(self, store: Store) -> list[tuple[Unit, Record | None]]:
        """The runs that can be made, with the records of those that are done."""
        units = [unit for cell in self.cells if not cell.pending for unit in cell.units]
        return [
            (unit, record if record and record.status == "done" else None)
            for unit in units
            for record in [store.get(unit.run_id)]
        ]


def _open(
    session: Session, file: Path, data: Path | None, store: Store, again: bool = False
) -> Opened:
    from merbench.runs.workspace import Material, Sources
    from merbench.study.file import read_study
    from merbench.study.layout import lay_out

    study = read_study(file)
    homes = tuple(home.absolute() for home in session.homes(data))
    material = Material(Sources(session.disabled, homes, tuple(study.vectors)), session.catalog)
    told: list[str] = []
    cells = lay_out(study, material, store, told.append)
    for sentence in (
        ()
        if again
        else (*told, *(f"note: {note}" for corpus in material.corpora for note in corpus.notes))
    ):
        say(sentence)
    return Opened(file, study, material, cells)


def _tune(
    opened: Opened, store: Store, executor: Executor, jobs: int, device: str, threads: int | None
) -> None:
    """Every search that is not over; where its workers died, once more."""
    import time

    from merbench.cli.measure.study_progress import SearchProgress
    from merbench.study.searches import Tuner, standing

    tuning = opened.study.tune
    assert tuning is not None
    tuner = Tuner(opened.material, tuning, store.root, device, threads)
    searches = [
        cell for cell in opened.cells if cell.pending and cell.search and not cell.search.error
    ]
    told = set[str]()
    with SearchProgress(f"{opened.file.stem} · tuning") as progress:
        for _ in range(2):
            # Whoever has nothing left to begin joins a search that is not over.
            tasks = [(cell.dataset, cell.request) for _ in range(jobs) for cell in searches]
            drawn = 0.0
            for ended in executor(tuner, tasks) if tasks else ():
                if ended and ended[1]:
                    (dataset, request), error = ended
                    sentence = f"{' '.join((request.model, *request.ablations))} · {dataset}: a worker of its search ended: {error}"
                    if sentence not in told:
                        say(sentence)
                    told.add(sentence)
                if time.monotonic() - drawn > 2:
                    progress(
                        [standing(cell.request, cell.plan, tuning, store) for cell in searches]
                    )
                    drawn = time.monotonic()
            now = {id(cell): standing(cell.request, cell.plan, tuning, store) for cell in searches}
            progress(list(now.values()))
            searches = [
                cell for cell in searches if not (now[id(cell)].found or now[id(cell)].error)
            ]


def _make(opened: Opened, store: Store, executor: Executor, worker: Worker) -> int:
    """How many runs ended in another store."""
    from merbench.cli.measure.study_progress import StudyProgress
    from merbench.study.make import make

    total = sum(len(cell.units) for cell in opened.cells)
    held = opened.held(store)
    for unit, record in held:
        if record:
            store.retold(record, unit.tuned_by)
    missing = [unit for unit, record in held if not record]
    elsewhere = 0
    with StudyProgress(
        opened.file.stem, total, {unit.run_id for unit in missing}, store
    ) as progress:
        for ended in make(missing, executor, worker, store, worker.failed):
            progress(ended)
            elsewhere += ended is not None and ended.how == "elsewhere"
    return elsewhere


def _dry_run(opened: Opened, store: Store, as_json: bool) -> None:
    cells, lacking = opened.cells, {unit.run_id for unit in opened.missing(store)}
    if as_json:
        runs = [
            {
                "run_id": unit.run_id,
                "track": cell.track,
                "model": cell.label,
                "seed": unit.seed,
                "fold": unit.fold,
            }
            for cell in cells
            for unit in cell.units
            if unit.run_id in lacking and not cell.pending
        ]
        tuned = [{"track": cell.track, "model": cell.label} for cell in cells if cell.pending]
        show_json({"runs": runs, "after_tuning": tuned})
        return
    rows = [
        (cell, len(cell.units), sum(cell.pending or unit.run_id in lacking for unit in cell.units))
        for cell in cells
    ]
    _show(("runs", "to make"), [(cell, (str(total), str(rest))) for cell, total, rest in rows])
    searches = [cell.search for cell in cells if cell.pending and cell.search]
    first = f"{sum(s.wanted - s.finished for s in searches)} trials, then " if searches else ""
    say(f"{first}{sum(rest for _, _, rest in rows)} runs would be made")


def _report(opened: Opened, store: Store, at_once: int, as_json: bool) -> list[Standing]:
    from merbench.study.status import seconds_left, standings

    found = standings(opened.cells, store)
    for warning in store.warnings:
        say(f"warning: {warning}")
    totals = {how: sum(getattr(s, how) for s in found) for how in COUNTS}
    left = seconds_left(found, at_once)
    if as_json:
        fields = (*COUNTS, "seconds", "errors")
        cells = [
            {
                "track": s.cell.track,
                "model": s.cell.label,
                **{f: getattr(s, f) for f in fields},
                "trials": _trials(s.cell),
            }
            for s in found
        ]
        show_json({**totals, "seconds_left": left, "cells": cells})
        return found
    tuned = opened.study.tune is not None
    rows = []
    for s in found:
        trials = [" / ".join(map(str, _trials(s.cell) or "–"))] if tuned else []
        values = [
            *(str(getattr(s, how) or "–") for how in COUNTS),
            "–" if s.seconds is None else _time(s.seconds),
        ]
        rows.append((s.cell, [*trials, *values]))
    _show((*(["trials"] if tuned else []), *COUNTS, "a run"), rows)
    for standing in found:
        for error in standing.errors:
            say(f"failed: {standing.cell.label} ({standing.cell.track}): {error}")
    rest = (
        ""
        if left is None or not left
        else f"; about {_time(left)} left, {max(1, at_once)} at a time"
    )
    say(", ".join(f"{n} {how}" for how, n in totals.items()) + rest)
    return found


def _trials(cell: Cell) -> tuple[int, int] | None:
    """Finished and wanted."""
    return (cell.search.finished, cell.search.wanted) if cell.search else None


def _show(columns: Sequence[str], rows: Sequence[tuple[Cell, Sequence[str]]]) -> None:
    """One table a track."""
    from itertools import groupby

    from rich.table import Table

    width = max(len(cell.label) for cell, _ in rows)
    for track, part in groupby(rows, key=lambda row: row[0].track):
        table = Table(
            title=track, title_justify="left", title_style="bold", box=None, padding=(0, 2, 0, 0)
        )
        table.add_column("model", min_width=width)
        for column in columns:
            table.add_column(column, justify="right", min_width=7)
        for cell, values in part:
            table.add_row(cell.label, *values)
        show(table)


def _time(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
