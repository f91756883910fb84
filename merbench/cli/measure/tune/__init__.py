"""``merbench tune``: search a model's settings on train and valid."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields, replace
from pathlib import Path
from tempfile import TemporaryFile
from typing import TYPE_CHECKING, Any

import click

from merbench.api.errors import RequestError, RunError
from merbench.api.plural import count_of
from merbench.bench.bench import label
from merbench.cli.shared.ablation_flags import (
    AblationCommand,
    ablation_option,
    require_declared,
)
from merbench.cli.shared.named_path import NamedPath
from merbench.cli.shared.options import FiniteRange, request_options
from merbench.cli.shared.output import room, say, say_next, show, show_json
from merbench.cli.shared.request import gather
from merbench.cli.shared.session import Session
from merbench.results.seeds import MOST_SEEDS

if TYPE_CHECKING:
    from merbench.bench.bench import Bench
    from merbench.engine.plan.plan import Plan
    from merbench.results.records.record import Record
    from merbench.terminal.tune_progress import TuneProgress
    from merbench.tuning.shared_search import SearchResult, SharedSearch


@click.command("tune", cls=AblationCommand)
@request_options
@ablation_option("Search a declared ablation (repeatable) in place of the full model")
@click.option(
    "--trials",
    type=click.IntRange(1),
    default=30,
    show_default=True,
    help="Finished trials of the search, by all workers together.",
)
@click.option(
    "--budget-seconds",
    type=FiniteRange(0, min_open=True),
    help="Start no trial once this much was spent on training.",
)
@click.option(
    "--sampler",
    type=click.Choice(["tpe", "random", "gp", "cmaes"]),
    default="tpe",
    show_default=True,
)
@click.option(
    "--pruner",
    type=click.Choice(["median", "hyperband", "none"]),
    default="median",
    show_default=True,
)
@click.option(
    "--seeds-per-trial",
    type=click.IntRange(1, MOST_SEEDS),
    default=1,
    show_default=True,
    help="A trial's value is the mean over these.",
)
@click.option(
    "--storage",
    metavar="URL|FILE",
    help="A database, grpc://HOST:PORT, or a journal file.  [default: a journal in the store]",
)
@click.option(
    "--final-seeds",
    type=click.IntRange(1, MOST_SEEDS),
    help="Then run the winner and the default settings on seeds 0 to N-1.",
)
@click.option(
    "--plots",
    type=NamedPath(file_okay=False),
    help="Write pictures of the search into this folder.",
)
@click.option(
    "--worker",
    is_flag=True,
    hidden=True,
    help="Only work; the process that started this one reports the outcome.",
)
@click.pass_obj
def command(
    session: Session,
    /,
    ablations: tuple[str, ...],
    final_seeds: int | None,
    plots: Path | None,
    worker: bool,
    **parsed: Any,
) -> None:
    """Search a model's settings: by the validation rows, within the ranges that its parts declare.

    The first trial is the default settings. What --set fixes is not searched. The same command
    joins the search, also from another machine that reaches its storage, and continues it. An
    ablation has a search of its own.

    \b
    Example: merbench tune --model merclip --dataset mosi --trials 30 --final-seeds 10
             merbench tune --model tfn --trials 60 --jobs 2 --plots plots/
             merbench tune --model tfn --trials 30 --ablation no-products
             merbench tune --model tfn --storage postgresql://user@host/db
    """
    from merbench.terminal.tune_progress import TuneProgress
    from merbench.tuning.search import tune
    from merbench.tuning.search_space import require_ranges
    from merbench.tuning.shared_search import SearchConfig, join, loss_of_storage_reported
    from merbench.tuning.trial import check_buildable

    if worker:
        _end_with_parent()
    search = SearchConfig(**{field.name: parsed.pop(field.name) for field in fields(SearchConfig)})
    require_declared(session, parsed["model"], ablations)
    options = gather(ablations, seeds=None, seed_list=(), force=False, **parsed)
    bench = session.bench(options)
    plan = bench.plan(options.request)
    require_ranges(plan, options.request)
    if not worker:
        check_buildable(plan, bench.machine)
    with TuneProgress(search.trials, label(plan), silent=worker) as progress:
        if options.jobs == 1:
            tuned = tune(options.request, plan, bench.store, bench.machine, search, progress)
        else:
            with loss_of_storage_reported(bench.store, search):
                joined = join(options.request, plan, bench.store, search)
                tuned = _by_helpers(joined, options.jobs, bench.machine.threads, progress)
    if worker:
        return
    if plots:
        _draw(join(options.request, plan, bench.store, search), plots)
    final = _final_runs(bench, plan, tuned, range(final_seeds or 0))
    _report(bench, plan, tuned, final, search.storage)
    raise SystemExit(
        1 if any(r.status == "failed" for records in final.values() for r in records) else 0
    )


def _final_runs(
    bench: Bench, plan: Plan, tuned: SearchResult, seeds: Sequence[int]
) -> dict[str, list[Record]]:
    """The winner and the default settings on ``seeds``; nothing where there are none."""
    if not seeds:
        return {}
    request = bench.options.request
    tuned_plan = bench.plan(replace(request, settings={**request.settings, **tuned.settings}))
    # The tuned runs first: where the default settings win, these are the same runs, and their
    # records name the search.
    return {
        "tuned": bench.run(tuned_plan, seeds, tuned_by=tuned.tuned_by),
        "default": bench.run(plan, seeds),
    }


def _end_with_parent() -> None:
    """The pipe from the process that started this worker closes when that one ends, also by a kill;
    a trial that is cut off then is tried again by whoever continues the search.
    """

    def wait() -> None:
        # Not ``sys.stdin.read``: at its end Python aborts where a thread has the lock of stdin.
        while os.read(sys.stdin.fileno(), 1024):
            pass
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


def _by_helpers(joined: SharedSearch, jobs: int, threads: int, watch: TuneProgress) -> SearchResult:
    """The same command in ``jobs`` processes, which end by themselves with the search. This one
    looks on.
    """
    from merbench.tuning.search import report_progress

    words = [
        sys.executable,
        "-m",
        "merbench",
        *sys.argv[1:],
        "--jobs",
        "1",
        "--threads",
        str(threads),
        "--worker",
    ]
    with TemporaryFile("w+") as error_output:
        helpers: list[subprocess.Popen[bytes]] = []
        try:
            for _ in range(jobs):
                helpers.append(
                    subprocess.Popen(
                        words, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=error_output
                    )
                )
            while any(helper.poll() is None for helper in helpers):
                joined.require_storage()
                report_progress(joined, watch)
                time.sleep(0.5)
        finally:
            for helper in helpers:
                helper.terminate()
                helper.wait()
        if report_progress(joined, watch):
            return joined.result()
        error_output.seek(0)
        last = (error_output.read().strip().splitlines() or ["nothing"])[-1].removeprefix("error: ")
    if any(helper.returncode == 2 for helper in helpers):
        raise RequestError(last)
    raise RunError(
        f"all {jobs} worker processes ended before the search was over, "
        f"and the same command continues; one said last: {last}"
    )


def _draw(joined: SharedSearch, folder: Path) -> None:
    from merbench.results.files import write_output
    from merbench.tuning.figures import figures

    for name, picture in figures(joined).items():
        write_output(folder / name, picture)
        say(f"wrote {folder / name}")


def _report(
    bench: Bench,
    plan: Plan,
    tuned: SearchResult,
    final: Mapping[str, Sequence[Record]],
    storage: str | None,
) -> None:
    """stdout: what was found and, where there are final runs, the scores; or one JSON object."""
    from merbench.report.scores.rows.pooled_seeds import by_seed, row_counts, summary
    from merbench.report.scores.statistics.means import summaries_as_json
    from merbench.report.tables import board
    from merbench.report.tables.terminal import table
    from merbench.tuning.storage import without_password

    scored = {name: by_seed(records, bench.store, plan.metrics) for name, records in final.items()}
    scores = {name: summary(seeds) for name, seeds in scored.items()}
    if bench.options.as_json:
        runs = {
            name: {"runs": [r.run_id for r in records], "summary": summaries_as_json(scores[name])}
            for name, records in final.items()
        }
        show_json({"track": plan.track.model_dump(mode="json"), **asdict(tuned), "final": runs})
        return
    show(_settings(plan, tuned))
    complete = tuned.trials - tuned.pruned - tuned.failed
    trials = count_of(tuned.trials, "trial")
    say(
        f"search {tuned.search}: {trials} ({complete} complete, {tuned.pruned} pruned, "
        f"{tuned.failed} failed) "
        f"in {tuned.seconds:.0f} s of training, {tuned.seconds / tuned.trials:.1f} s each"
    )
    if tuned.sampler != "random":
        say(f"{tuned.proposals} of them were proposed by {tuned.sampler}'s model, not by chance")
    if final:
        name_of_cell = {"tuned": "tuned", "default": "untuned"}  # as on the boards
        rows = [
            board.model_row(f"{label(plan)} {name_of_cell[name]}", s) for name, s in scores.items()
        ]
        notes = []
        if scored["tuned"]:
            counts = row_counts(scored["tuned"])
            notes = board.notes(plan.task.space.kind, scores["tuned"], counts)
        show(table(plan.track.title, board.columns(plan.metrics), rows, notes=notes, width=room()))
        say_next(bench.options.store, "leaderboard")
    else:
        place = without_password(storage) if storage else bench.options.store
        say(f"the search is kept in {place}, and the same command continues it")
        say(
            "the same command with --final-seeds 10 runs both settings on ten fresh seeds and "
            "scores them on the test rows"
        )


def _settings(plan: Plan, tuned: SearchResult) -> Any:
    """Setting by setting, default against tuned; the scores on the validation rows below."""
    from rich.table import Table

    sheet = Table(box=None, padding=(0, 2, 0, 0))
    sheet.add_column(f"{label(plan)}: setting", no_wrap=True)
    sheet.add_column("default", justify="right")
    sheet.add_column(f"tuned (trial {tuned.best})", justify="right")
    for name, value in tuned.settings.items():
        default = tuned.default_settings[name]
        sheet.add_row(name, _shown(default), _shown(value), style="" if value != default else "dim")
    sheet.add_section()
    sheet.add_row(f"valid {tuned.metric}", _shown(tuned.default), _shown(tuned.value), style="bold")
    return sheet


def _shown(value: Any) -> str:
    if value is None:
        return "–"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
