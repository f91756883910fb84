"""``merbench ablate``: a model and its ablations on the same seeds, as paired differences."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from merbench.cli.shared.ablation_flags import (
    AblationCommand,
    ablation_option,
    require_declared,
)
from merbench.cli.shared.output import say_next, show_json
from merbench.cli.shared.request import gather
from merbench.cli.shared.run_options import run_options
from merbench.cli.shared.session import Session

if TYPE_CHECKING:
    from merbench.bench.bench import Bench
    from merbench.functions.measure.ablate import Ablated


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
    from merbench.functions.measure.ablate import ablated

    all_subsets = parsed["modalities"] == "all-subsets"
    options = gather((), **{**parsed, "modalities": None if all_subsets else parsed["modalities"]})
    require_declared(session, options.model, ablations)
    bench = session.bench(options)
    _report(bench, ablated(bench, ablations, all_subsets))
    raise SystemExit(1 if bench.failed else 0)


def _report(bench: Bench, outcome: Ablated) -> None:
    from merbench.cli.shared.scores_and_differences import show_lines
    from merbench.report.scores.paired_differences import lines_as_json
    from merbench.report.scores.rows.pooled_seeds import summary
    from merbench.report.scores.statistics.means import summaries_as_json

    full, *ablations = outcome.lines
    if bench.options.as_json:
        show_json(
            {
                "track": outcome.track.model_dump(mode="json"),
                "base": summaries_as_json(summary(full.scored)),
                "ablations": lines_as_json(ablations, outcome.differences),
            }
        )
        return
    recipe = bench.catalog.recipe(bench.options.model)
    title = f"{recipe.name} · {outcome.track.title}"
    notes = [f"{recipe.name}: {recipe.caveat}"] if recipe.caveat else []
    show_lines(title, outcome.lines, outcome.differences, outcome.metrics, "ablation", notes)
    say_next(bench.options.store, "leaderboard --ablations")
