"""``merbench study run``: every run of a study that the store lacks."""

from __future__ import annotations

from pathlib import Path

import click

from merbench.api.plural import count_of
from merbench.bench.keywords import MOST_JOBS, MOST_THREADS
from merbench.cli.measure.study.report import report, report_dry_run
from merbench.cli.measure.study.shared import open_study, study_options
from merbench.cli.shared.options import DEVICE
from merbench.cli.shared.output import say, say_next
from merbench.cli.shared.session import Session


@click.command("run")
@study_options
@click.option(
    "--jobs",
    type=click.IntRange(1, MOST_JOBS),
    default=1,
    show_default=True,
    help="Runs made at once.",
)
@DEVICE
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
    from merbench.bench.study_job import StudyJob
    from merbench.engine.plan.settings import parse_settings
    from merbench.results.store.store import Store
    from merbench.study.executor import executor_of

    run_store = Store(store.absolute())
    values = parse_settings(settings, "--executor-set")
    runner = executor_of(session.catalog, executor, values, jobs, run_store.root)
    if not dry_run:
        run_store.require_writable()
    opened = open_study(session, file, data, run_store)
    if dry_run:
        report_dry_run(opened, run_store, as_json)
        return
    opened, n_elsewhere = StudyJob(run_store, runner, jobs, device, threads).make(
        opened, lambda: open_study(session, file, data, run_store, again=True)
    )
    cells = report(opened, run_store, as_json)
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
