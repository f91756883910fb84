"""``merbench ablate``: a model and its ablations on the same seeds, as paired differences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from merbench.cli.shared.ablation_flags import (
    AblationCommand,
    ablation_option,
    require_declared,
)
from merbench.cli.shared.options import run_options
from merbench.cli.shared.output import say_next, show_json
from merbench.cli.shared.request import gather
from merbench.cli.shared.session import Session

if TYPE_CHECKING:
    from merbench.api import Recipe
    from merbench.bench.options import RunOptions
    from merbench.engine.plan.plan import Plan
    from merbench.report.scores.rows.pooled_seeds import Scored


@click.command("ablate", cls=AblationCommand)
@run_options
@ablation_option("A declared ablation (repeatable), or all")
@click.pass_obj
def command(session: Session, /, ablations: tuple[str, ...], **parsed: Any) -> None:
    """Train the full model and each ablation on the same seeds, and compare them in pairs.

    Without --ablation, every ablation that the model declares and the data allow. --modalities
    all-subsets compares every subset of the modalities, of any model.

    \b
    Example: merbench ablate --model merclip --no-label-encoder --seeds 10
             merbench ablate --model tfn --dataset sample --ablation no-products
             merbench ablate --model mult --modalities all-subsets
    """
    from merbench.analyses.ablate import FULL, ablated_requests, plans_of
    from merbench.api.errors import RequestError
    from merbench.report.scores.rows.pooled_seeds import by_seed

    all_subsets = parsed["modalities"] == "all-subsets"
    options = gather((), **{**parsed, "modalities": None if all_subsets else parsed["modalities"]})
    recipe = session.catalog.recipe(options.model)
    requested = tuple(dict.fromkeys(ablations))
    require_declared(session, options.model, requested)
    names = _names(recipe, requested, all_subsets)
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
    if unusable := [name for name in requested if name in reasons]:
        raise RequestError(f"ablation {unusable[0]}: {reasons[unusable[0]]}")
    scored = {}
    for name, plan in {FULL: full, **plan_by_ablation}.items():
        title = "" if name == FULL else f"{options.model} {name}"
        records = bench.run(plan, options.seeds, name=title)
        scored[name] = by_seed(records, bench.store, plan.metrics)
    _report(options, recipe, full, scored, reasons)
    raise SystemExit(1 if bench.failed else 0)


def _names(recipe: Recipe, requested: Sequence[str], all_subsets: bool) -> Sequence[str]:
    """The ablations to run: those named, by default all that the model declares."""
    from merbench.api.errors import RequestError

    if not recipe.ablations and not all_subsets:
        raise RequestError(
            f"model {recipe.name} declares no ablations; "
            "give --modalities all-subsets, or another model (merbench list models)"
        )
    if "all" in requested or not (requested or all_subsets):
        return [ablation.name for ablation in recipe.ablations]
    return requested


def _report(
    options: RunOptions,
    recipe: Recipe,
    full: Plan,
    scored: Mapping[str, Mapping[int, Scored]],
    reasons: Mapping[str, str],
) -> None:
    from merbench.analyses.ablate import FULL, lines
    from merbench.cli.shared.scores_and_differences import show_lines
    from merbench.report.scores.paired_differences import compare, lines_as_json
    from merbench.report.scores.rows.pooled_seeds import summary
    from merbench.report.scores.statistics.means import summaries_as_json

    compared = lines(scored, reasons)
    by_name = compare(compared, full.metrics)
    if options.as_json:
        show_json(
            {
                "track": full.track.model_dump(mode="json"),
                "base": summaries_as_json(summary(scored[FULL])),
                "ablations": lines_as_json(compared[1:], by_name),
            }
        )
        return
    title = f"{options.model} · {full.track.title}"
    notes = [f"{options.model}: {recipe.caveat}"] if recipe.caveat else []
    show_lines(title, compared, by_name, full.metrics, "ablation", notes)
    say_next(options.store, "leaderboard --ablations")
