"""``merbench study run``: every run of a study that the store lacks."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from merbench.api.plural import count_of
from merbench.bench.keywords import MOST_JOBS, MOST_THREADS
from merbench.cli.measure.study.report import report, report_dry_run
from merbench.cli.measure.study.shared import open_study, study_options
from merbench.cli.shared.output import say, say_next
from merbench.cli.shared.session import Session

if TYPE_CHECKING:
    from merbench.api.parts import Executor
    from merbench.results.store.store import Store
    from merbench.study.layout import Cell
    from merbench.study.make import Worker
    from merbench.study.opened import OpenedStudy
    from merbench.study.searches import Tuner

SEARCH_ROUNDS = 2
"""Where all workers of a search died, others are started this often in all."""


@click.command("run")
@study_options
@click.option(
    "--jobs",
    type=click.IntRange(1, MOST_JOBS),
    default=1,
    show_default=True,
    help="Runs made at once.",
)
@click.option(
    "--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto", show_default=True
)
@click.option(
    "--threads",
    type=click.IntRange(1, MOST_THREADS),
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
def command(
    session: Session,
    file: Path,
    data: Path | None,
    store: Path,
    as_json: bool,
    jobs: int,
    device: str,
    threads: int | None,
    executor: str,
    settings: tuple[str, ...],
    dry_run: bool,
) -> None:
    """Make every run of a study that the store lacks. The same command continues after a stop, and
    several may work on one store.

    A run that fails is recorded with its error and the others continue; the next call retries it.

    \b
    Example: merbench study run STUDY.toml --jobs 4
             merbench study run STUDY.toml --jobs 40 --executor slurm --executor-set partition=gpu
             merbench study run STUDY.toml --dry-run
    """
    from merbench.engine.plan.settings import parse_settings
    from merbench.results.store.store import Store
    from merbench.runs.machine import Machine
    from merbench.study.executor import executor_of
    from merbench.study.make import Worker

    run_store = Store(store.absolute())
    values = parse_settings(settings, "--executor-set")
    runner = executor_of(session.catalog, executor, values, jobs, run_store.root)
    if not dry_run:
        run_store.require_writable()
    opened = open_study(session, file, data, run_store)
    if dry_run:
        report_dry_run(opened, run_store, as_json)
        return
    if executor == "local":
        threads = Machine.choose(device, threads, jobs).threads
    if any(cell.pending for cell in opened.cells):
        _tune(opened, run_store, runner, jobs, device, threads)
        opened = open_study(session, file, data, run_store, again=True)
    worker = Worker(opened.workspace, run_store.root, device, threads)
    n_elsewhere = _make(opened, run_store, runner, worker, jobs)
    cells = report(opened, run_store, 0, as_json)
    _say_what_next(store, n_elsewhere)
    incomplete = any(s.failed or s.errors or s.cell.pending for s in cells)
    raise SystemExit(1 if n_elsewhere or incomplete else 0)


def _say_what_next(store: Path, n_elsewhere: int) -> None:
    if n_elsewhere:
        say(
            f"{count_of(n_elsewhere, 'run')} went into another store: bring it here, then "
            f"merbench store merge DIR --into {store}"
        )
    say_next(store, "leaderboard")


def _tune(
    opened: OpenedStudy,
    store: Store,
    executor: Executor,
    jobs: int,
    device: str,
    threads: int | None,
) -> None:
    """Every search that is not over; where its workers died, once more."""
    from merbench.cli.measure.study.progress import TrialProgress
    from merbench.study.searches import Tuner, status_of

    tuning = opened.study.tune
    assert tuning is not None
    tuner = Tuner(opened.workspace, tuning, store.root, device, threads)
    cells = [c for c in opened.cells if c.pending and c.search and not c.search.error]
    sentences = set[str]()
    with TrialProgress(f"{opened.file.stem} · tuning", jobs) as progress:

        def draw() -> None:
            progress([status_of(c.request, c.plan, tuning, store) for c in cells])

        for _ in range(SEARCH_ROUNDS):
            _work_on(cells, tuner, executor, jobs, sentences, draw)
            draw()
            status = {id(c): status_of(c.request, c.plan, tuning, store) for c in cells}
            cells = [c for c in cells if not (status[id(c)].result or status[id(c)].error)]


def _work_on(
    cells: Sequence[Cell],
    tuner: Tuner,
    executor: Executor,
    jobs: int,
    sentences: set[str],
    draw: Callable[[], None],
) -> None:
    """``sentences``: what was said already."""
    # Whoever has nothing left to begin joins a search that is not over.
    tasks = [(cell.dataset, cell.request) for _ in range(jobs) for cell in cells]
    last_draw = 0.0
    for ended in executor(tuner, tasks) if tasks else ():
        if ended and ended[1]:
            (dataset, request), error = ended
            name = " ".join((request.model, *request.ablations))
            sentence = f"{name} · {dataset}: a worker of its search ended: {error}"
            if sentence not in sentences:
                say(sentence)
            sentences.add(sentence)
        if time.monotonic() - last_draw > 2:
            draw()
            last_draw = time.monotonic()


def _make(opened: OpenedStudy, store: Store, executor: Executor, worker: Worker, jobs: int) -> int:
    """How many runs ended in another store."""
    from merbench.cli.measure.study.progress import StudyProgress
    from merbench.study.make import make

    missing = []
    for run in opened.runs():
        record = opened.finished_record(store, run)
        if record:
            store.update(record, run.tuned_by)
        else:
            missing.append(run)
    n_elsewhere = 0
    with StudyProgress(opened, missing, store, jobs) as progress:
        for ended in make(missing, executor, worker, store, worker.failed):
            progress(ended)
            n_elsewhere += ended is not None and ended.how == "elsewhere"
    return n_elsewhere
