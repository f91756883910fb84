"""``merbench tune``: search a model's settings on train and valid."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from merbench.bench.bench import label
from merbench.cli.measure.tune.outcome import draw, report
from merbench.cli.measure.tune.workers import by_workers, end_with_parent
from merbench.cli.shared.ablation_flags import (
    AblationCommand,
    ablation_option,
    require_declared,
)
from merbench.cli.shared.named_path import NamedPath
from merbench.cli.shared.request import gather
from merbench.cli.shared.run_options import request_options
from merbench.cli.shared.session import Session
from merbench.results.seeds import MOST_SEEDS

if TYPE_CHECKING:
    from merbench.bench.bench import Bench
    from merbench.engine.plan.plan import Plan
    from merbench.results.records.record import Record
    from merbench.tuning.shared_search import SearchConfig, SearchResult


class FiniteRange(click.FloatRange):
    """Without inf, and without nan, which lies in every range that click compares it with."""

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        number = float(super().convert(value, param, ctx))
        if not math.isfinite(number):
            self.fail(f"{value} is not a finite number.", param, ctx)
        return number


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
    from merbench.tuning.search_space import require_ranges
    from merbench.tuning.shared_search import SearchConfig, join
    from merbench.tuning.trial import check_buildable

    if worker:
        end_with_parent()
    search = SearchConfig(**{field.name: parsed.pop(field.name) for field in fields(SearchConfig)})
    require_declared(session, parsed["model"], ablations)
    bench = session.bench(gather(ablations, **parsed))
    request = bench.options.request
    plan = bench.plan(request)
    require_ranges(plan, request)
    if not worker:
        check_buildable(plan, bench.machine)
    tuned = _searched(bench, plan, search, silent=worker)
    if worker:
        return
    if plots:
        draw(join(request, plan, bench.store, search), plots)
    final = _final_runs(bench, plan, tuned, range(final_seeds or 0))
    report(bench, plan, tuned, final, search.storage)
    raise SystemExit(
        1 if any(r.status == "failed" for records in final.values() for r in records) else 0
    )


def _searched(bench: Bench, plan: Plan, search: SearchConfig, silent: bool) -> SearchResult:
    """By this process, or by several."""
    from merbench.terminal.tune_progress import TuneProgress
    from merbench.tuning.search import tune
    from merbench.tuning.shared_search import join, loss_of_storage_reported

    request, jobs = bench.options.request, bench.options.jobs
    with TuneProgress(search.trials, label(plan), silent=silent) as progress:
        if jobs == 1:
            return tune(request, plan, bench.store, bench.machine, search, progress)
        with loss_of_storage_reported(bench.store, search):
            joined = join(request, plan, bench.store, search)
            return by_workers(joined, jobs, bench.machine.threads, progress)


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
