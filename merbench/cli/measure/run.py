"""``merbench run``: train and score one method, over seeds and folds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from merbench.bench.bench import label
from merbench.cli.shared.ablation_flags import (
    AblationCommand,
    ablation_option,
    require_declared,
)
from merbench.cli.shared.output import room, say_next, show, show_json
from merbench.cli.shared.request import gather
from merbench.cli.shared.run_options import run_options
from merbench.cli.shared.session import Session

if TYPE_CHECKING:
    from merbench.bench.bench import Bench
    from merbench.engine.plan.plan import Plan
    from merbench.results.records.record import Record


@click.command("run", cls=AblationCommand)
@run_options
@ablation_option("A declared ablation (repeatable)")
@click.pass_obj
def command(session: Session, /, ablations: tuple[str, ...], **parsed: Any) -> None:
    """Train and score a model; what the store holds already is not run again.

    --no-NAME runs it without NAME, for every ablation that the model declares (merbench ablate
    compares them).

    \b
    Example: merbench run --model merclip --dataset mosi --seeds 10
             merbench run --model tfn --modalities text,audio --set train.lr=5e-4
             merbench run --model merclip --no-label-encoder --json
    """
    require_declared(session, parsed["model"], ablations)
    options = gather(ablations, **parsed)
    bench = session.bench(options)
    plan = bench.plan(bench.options.request)
    records = bench.run(plan, options.seeds)
    report(bench, plan, records)
    if not options.as_json:
        say_next(options.store, "leaderboard")
    raise SystemExit(1 if any(r.status == "failed" for r in records) else 0)


def report(bench: Bench, plan: Plan, records: Sequence[Record]) -> None:
    """stdout: the table, or one JSON object and nothing else."""
    from merbench.report.scores.rows.pooled_seeds import by_seed, row_counts, summary
    from merbench.report.scores.statistics.means import summaries_as_json
    from merbench.report.tables import board
    from merbench.report.tables.terminal import table

    scored = by_seed(records, bench.store, plan.metrics)
    if not scored and not bench.options.as_json:
        return
    model_summary = summary(scored)
    floors = {
        name: summary(by_seed(floor_records, bench.store, plan.metrics))
        for name, floor_records in (bench.floors(plan) if scored else {}).items()
    }
    optimum = bench.optimum(plan)
    if bench.options.as_json:
        show_json(
            {
                "track": plan.track.model_dump(mode="json"),
                "runs": [r.model_dump(mode="json") for r in records],
                "summary": summaries_as_json(model_summary),
                "floors": {name: summaries_as_json(scores) for name, scores in floors.items()},
                "best_possible": optimum.scored if optimum else {},
            }
        )
        return
    ranks_by = plan.metrics[plan.metrics.ranking]
    rows = board.rows({label(plan): model_summary}, floors, ranks_by, optimum)
    lines = [
        *board.notes(plan.task.space.kind, model_summary, row_counts(scored)),
        *board.distances(plan.metrics, model_summary, floors, optimum),
    ]
    if plan.recipe.caveat:
        lines.append(f"{plan.recipe.name}: {plan.recipe.caveat}")
    show(table(plan.track.title, board.columns(plan.metrics), rows, notes=lines, width=room()))
