"""``merbench study``: many models, tracks and seeds as one job that can be stopped, shared and gone on with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from merbench.cli.session import Session, say, show, show_json

if TYPE_CHECKING:
    from merbench.api.parts import Executor
    from merbench.results.store import Store
    from merbench.studies.material import Material
    from merbench.studies.study import Worker
    from merbench.studies.study_cells import Cell, Unit
    from merbench.studies.study_status import Standing


COUNTS = ("done", "running", "failed", "waiting")


def study_options(function: Callable[..., Any]) -> Callable[..., Any]:
    options = [
        click.argument("file", metavar="STUDY.toml", type=click.Path(path_type=Path)),
        click.option("--data", type=click.Path(path_type=Path), help="Where data sets lie (also MERBENCH_DATA)."),
        click.option(
            "--store", type=click.Path(path_type=Path), envvar="MERBENCH_STORE", default="runs", show_default=True, help="Where records go."
        ),
        click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout, and nothing else there."),
    ]
    for option in reversed(options):
        function = option(function)
    return function


@click.group("study")
def command() -> None:
    """Models x data sets x tracks x seeds, described in one file.

    \b
    Example: merbench study run STUDY.toml --jobs 4
             merbench study status STUDY.toml
    """


@command.command("run")
@study_options
@click.option("--jobs", type=click.IntRange(1), default=1, show_default=True, help="Runs made at once.")
@click.option("--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto", show_default=True)
@click.option("--threads", type=click.IntRange(1), envvar="MERBENCH_THREADS", help="CPU threads of one run.  [default: cores / jobs]")
@click.option("--executor", "executor", metavar="NAME", default="local", show_default=True, help="Where (merbench list executors).")
@click.option("--executor-set", "settings", metavar="KEY=VALUE", multiple=True, help="A setting of the executor, such as partition=gpu.")
@click.option("--dry-run", is_flag=True, help="Only list what would be run.")
@click.pass_obj
def run(
    session: Session, file: Path, data: Path | None, store: Path, as_json: bool, jobs: int, device: str, threads: int | None,
    executor: str, settings: tuple[str, ...], dry_run: bool,
) -> None:  # fmt: skip
    """Make every run of a study that the store lacks. The same command goes on after a stop, and several may work on one store.

    A run that fails is recorded with its error and the rest go on; the next call tries it again.

    \b
    Example: merbench study run STUDY.toml --jobs 4
             merbench study run STUDY.toml --jobs 40 --executor slurm --executor-set partition=gpu
             merbench study run STUDY.toml --dry-run
    """
    from merbench.results.store import Store
    from merbench.studies.machine import Machine
    from merbench.studies.study import Worker

    opened = _open(session, file, data)
    kept = Store(store.absolute())
    if not dry_run:
        kept.require_writable()
    missing = [unit for cell in opened.cells for unit in cell.units if not _done(kept, unit)]
    if dry_run:
        _dry_run(opened.cells, missing, as_json)
        return
    runner = _executor(session, executor, settings, jobs, kept.root)
    if executor == "local":
        threads = Machine.choose(device, threads, jobs).threads
    elsewhere = _make(opened, missing, kept, runner, Worker(opened.material, kept.root, device, threads))
    found = _report(opened, kept, jobs, as_json)
    if elsewhere:
        say(f"{elsewhere} runs went into another store: bring it here, then merbench store merge DIR --into {store}")
    raise SystemExit(1 if any(s.failed for s in found) or elsewhere else 0)


@command.command("status")
@study_options
@click.pass_obj
def status(session: Session, file: Path, data: Path | None, store: Path, as_json: bool) -> None:
    """How far a study is, and an estimate of the time left. It reads the store alone, so it may be asked from anywhere at any time.

    \b
    Example: merbench study status STUDY.toml
    """
    from merbench.results.claims import Claims
    from merbench.results.store import Store

    opened = _open(session, file, data)
    kept = Store(store)
    mine = {unit.run_id for cell in opened.cells for unit in cell.units}
    held = [holder for name, holder in Claims(store).held().items() if name in mine]
    _report(opened, kept, len(held), as_json)


@dataclass(frozen=True)
class Opened:
    """A study file with what it names."""

    file: Path
    material: Material
    cells: Sequence[Cell]


def _open(session: Session, file: Path, data: Path | None) -> Opened:
    from merbench.studies.material import Material, Sources
    from merbench.studies.study_cells import lay_out
    from merbench.studies.study_file import read_study

    study = read_study(file)
    homes = tuple(home.absolute() for home in session.homes(data))
    material = Material(Sources(session.disabled, homes, tuple(study.vectors)), session.catalog)
    cells = lay_out(study, material, say)
    for corpus in material.corpora:
        for note in corpus.notes:
            say(f"note: {note}")
    return Opened(file, material, cells)


def _done(store: Store, unit: Unit) -> bool:
    record = store.get(unit.run_id)
    return record is not None and record.status == "done"


def _executor(session: Session, name: str, settings: tuple[str, ...], jobs: int, folder: Path) -> Executor:
    from merbench.api import Config
    from merbench.engine.settings import configured
    from merbench.results.spec import parse_settings

    component = session.catalog.component("executor", name)
    factory = session.catalog.load(component)
    config = configured(getattr(factory, "Config", Config), parse_settings(settings, "--executor-set"), "", f"executor {name}")
    executor: Executor = factory(config, jobs, folder)
    return executor


def _make(opened: Opened, missing: Sequence[Unit], store: Store, executor: Executor, worker: Worker) -> int:
    """How many runs ended in another store."""
    from merbench.cli.study_progress import StudyProgress
    from merbench.studies.study import make

    total = sum(len(cell.units) for cell in opened.cells)
    elsewhere = 0
    with StudyProgress(opened.file.stem, total, {unit.run_id for unit in missing}, store) as progress:
        for ended in make(missing, executor, worker, store, worker.failed):
            progress(ended)
            elsewhere += ended is not None and ended.how == "elsewhere"
    return elsewhere


def _dry_run(cells: Sequence[Cell], missing: Sequence[Unit], as_json: bool) -> None:
    lacking = {unit.run_id for unit in missing}
    if as_json:
        runs = [
            {"run_id": unit.run_id, "track": cell.track, "model": cell.label, "seed": unit.seed, "fold": unit.fold}
            for cell in cells
            for unit in cell.units
            if unit.run_id in lacking
        ]
        show_json({"runs": runs})
        return
    rows = [(cell, len(cell.units), sum(unit.run_id in lacking for unit in cell.units)) for cell in cells]
    _show(("runs", "to make"), [(cell, (str(total), str(rest))) for cell, total, rest in rows])
    say(f"{len(lacking)} runs would be made")


def _report(opened: Opened, store: Store, at_once: int, as_json: bool) -> list[Standing]:
    from merbench.studies.study_status import seconds_left, standings

    found = standings(opened.cells, store)
    for warning in store.warnings:
        say(f"warning: {warning}")
    totals = {how: sum(getattr(s, how) for s in found) for how in COUNTS}
    left = seconds_left(found, at_once)
    if as_json:
        fields = (*COUNTS, "seconds", "errors")
        cells = [{"track": s.cell.track, "model": s.cell.label, **{f: getattr(s, f) for f in fields}} for s in found]
        show_json({**totals, "seconds_left": left, "cells": cells})
        return found
    _show(
        (*COUNTS, "a run"),
        [(s.cell, (*(str(getattr(s, how) or "–") for how in COUNTS), "–" if s.seconds is None else _time(s.seconds))) for s in found],
    )
    for standing in found:
        for error in standing.errors:
            say(f"failed: {standing.cell.label} ({standing.cell.track}): {error}")
    rest = "" if left is None or not left else f"; about {_time(left)} left, {max(1, at_once)} at a time"
    say(", ".join(f"{n} {how}" for how, n in totals.items()) + rest)
    return found


def _show(columns: Sequence[str], rows: Sequence[tuple[Cell, Sequence[str]]]) -> None:
    """One table a track."""
    from itertools import groupby

    from rich.table import Table

    width = max(len(cell.label) for cell, _ in rows)
    for track, part in groupby(rows, key=lambda row: row[0].track):
        table = Table(title=track, title_justify="left", title_style="bold", box=None, padding=(0, 2, 0, 0))
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
