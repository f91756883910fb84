"""``merbench ablate``: a model and its ablations on the same seeds, as paired differences."""

from __future__ import annotations

from typing import Any

import click

from merbench.cli.measure.run import ablations
from merbench.cli.shared.options import AblationCommand, gather, run_options
from merbench.cli.shared.output import say_next, show_json
from merbench.cli.shared.session import Session


@click.command("ablate", cls=AblationCommand)
@run_options
@click.option(
    "--ablation",
    "named",
    metavar="NAME",
    multiple=True,
    help="A declared ablation (repeatable), or all; --no-X is short for --ablation no-X.",
)
@click.pass_context
def command(ctx: click.Context, /, named: tuple[str, ...], **given: Any) -> None:
    """Train the full model and each ablation on the same seeds, and compare them in pairs.

    Without --ablation, every ablation that the model declares and the data allow. --modalities
    all-subsets compares every subset of the modalities, of any model.

    \b
    Example: merbench ablate --model merclip --no-label-encoder --seeds 10
             merbench ablate --model tfn --dataset sample --ablation no-products
             merbench ablate --model mult --modalities all-subsets
    """
    from merbench.analyses.ablate import FULL, ablated_requests, lines, plans_of
    from merbench.api.errors import RequestError
    from merbench.cli.shared.lines import show_lines
    from merbench.host.catalog import unknown
    from merbench.report.scores.paired import compare, lines_as_json
    from merbench.report.scores.statistics import summaries_as_json
    from merbench.report.scores.summary import by_seed, summary

    session: Session = ctx.obj
    all_subsets = given["modalities"] == "all-subsets"
    options = gather((), **{**given, "modalities": None if all_subsets else given["modalities"]})
    recipe = session.catalog.recipe(options.model)
    declared = [a.name for a in recipe.ablations]
    for name in named:
        if name not in (*declared, "all"):
            raise RequestError(unknown("ablation", name, declared, f"ablations of {options.model}"))
    ablations_asked_for = tuple(
        dict.fromkeys((*named, *ablations(session, options.model, ctx.meta["ablations"])))
    )
    if not declared and not all_subsets:
        raise RequestError(
            f"model {options.model} declares no ablations; "
            "give --modalities all-subsets, or another model (merbench list models)"
        )
    names = (
        declared
        if "all" in ablations_asked_for or not (ablations_asked_for or all_subsets)
        else ablations_asked_for
    )
    bench = session.bench(options)
    full = bench.plan(bench.options.request)
    requests = ablated_requests(
        recipe, names, tuple(full.streams), bench.options.request, all_subsets
    )
    if not requests:
        raise RequestError(
            f"{options.model} reads {' + '.join(full.streams) or 'nothing'} here, "
            "which has no smaller subset; offer more streams"
        )
    plan_by_ablation, reasons = plans_of(requests, full, bench.plan)
    if wrong := [name for name in ablations_asked_for if name in reasons]:
        raise RequestError(f"ablation {wrong[0]}: {reasons[wrong[0]]}")
    failed = False
    scored = {}
    for name, plan in {FULL: full, **plan_by_ablation}.items():
        records = bench.run(
            plan, options.seeds, name="" if name == FULL else f"{options.model} {name}"
        )
        failed |= any(r.status == "failed" for r in records)
        scored[name] = by_seed(records, bench.store, plan.metrics)
    compared = lines(scored, reasons)
    by_name = compare(compared, full.metrics)
    if options.as_json:
        track = full.track.model_dump(mode="json")
        show_json(
            {
                "track": track,
                "base": summaries_as_json(summary(scored[FULL])),
                "ablations": lines_as_json(compared[1:], by_name),
            }
        )
    else:
        notes = [f"{options.model}: {recipe.caveat}"] if recipe.caveat else []
        show_lines(
            f"{options.model} · {full.track.title}",
            compared,
            by_name,
            full.metrics,
            "ablation",
            notes,
        )
        say_next(options.store, "leaderboard --ablations")
    raise SystemExit(1 if failed else 0)
