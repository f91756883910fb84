"""``merbench ablate``: a model and its variants on the same seeds, as paired differences."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

import click

from merbench.cli.options import AblationCommand, gather, run_options
from merbench.cli.run import Bench, ablations
from merbench.cli.session import Session, say, show, show_json

if TYPE_CHECKING:
    from merbench.api.types import SpaceKind
    from merbench.studies.ablate import Difference


@click.command("ablate", cls=AblationCommand)
@run_options
@click.option(
    "--variant", "variants", metavar="NAME", multiple=True, help="A declared ablation (repeatable; --no-X is short for variant no-X)."
)
@click.pass_context
def command(ctx: click.Context, /, variants: tuple[str, ...], **given: Any) -> None:
    """Train the full model and each variant on the same seeds, and compare them in pairs.

    Without a variant, every ablation that the model declares and the data allow.

    \b
    Example: merbench ablate --model merclip --no-label-encoder --seeds 10
             merbench ablate --model tfn --dataset sample --variant no-products
    """
    from merbench.api.errors import RequestError
    from merbench.host.catalog import unknown
    from merbench.report.board import as_json
    from merbench.report.summary import by_seed, summary
    from merbench.results.metrics import headline
    from merbench.studies.ablate import correct, differences

    session: Session = ctx.obj
    options = gather((), **given)
    declared = [a.name for a in session.catalog.recipe(options.model).ablations]
    for name in variants:
        if name not in declared:
            raise RequestError(unknown("variant", name, declared, f"ablations of {options.model}"))
    named = tuple(dict.fromkeys((*variants, *ablations(session, options.model, ctx.meta["ablations"]))))
    if not declared:
        raise RequestError(f"model {options.model} declares no ablations; merbench list models shows others")
    bench = Bench(session, options)
    plan = bench.plan(options.request)
    plans = {}
    for name in named or declared:
        try:
            variant = bench.plan(replace(options.request, ablations=(name,)))
            if variant.spec.model_copy(update={"variant": ""}) == plan.spec:
                raise RequestError(f"variant {name} changes nothing here: on these streams it is the full model")
            plans[name] = variant
        except RequestError as error:
            if named:
                raise
            say(f"left out {name}: {error}")
    failed = False
    scored = {}
    for name, one in {"": plan, **plans}.items():
        records = bench.run(one, options.seeds)
        failed |= any(r.status == "failed" for r in records)
        scored[name] = by_seed(records, bench.store)
    base = scored.pop("")
    kind = plan.task.space.kind
    found = correct({name: differences(base, s, headline(kind)) for name, s in scored.items()})
    if options.as_json:
        rows = [
            {"name": name, "summary": as_json(summary(s)), "difference": {m: _plain(d) for m, d in found[name].items()}}
            for name, s in scored.items()
        ]
        show_json({"track": plan.track.model_dump(mode="json"), "base": as_json(summary(base)), "variants": rows})
    else:
        _show(plan.track.title, options.model, kind, {n: summary(s) for n, s in {"": base, **scored}.items()}, found, plan.recipe.caveat)
    raise SystemExit(1 if failed else 0)


def _plain(difference: Difference) -> dict[str, float | bool | None]:
    import math

    plain = {k: None if math.isnan(v) else v for k, v in asdict(difference).items()}
    return {**plain, "significant": difference.significant}


def _show(title: str, model: str, kind: SpaceKind, sums: dict[str, Any], found: dict[str, dict[str, Difference]], caveat: str) -> None:
    """The scores, then the differences of the ranking metric."""
    from rich.table import Table

    from merbench.report import board
    from merbench.report.tables import table
    from merbench.results.metrics import METRICS, default_metric

    show(table(title, board.columns(kind), [board.model_row(name or f"{model} (full)", s) for name, s in sums.items()], name="variant"))
    metric = default_metric(kind)
    better = "higher" if METRICS[metric].higher_is_better else "lower"
    drawn = Table(
        title=f"{metric} of the variant less that of the full model ({better} is better)",
        title_justify="left",
        box=None,
        padding=(0, 2, 0, 0),
    )
    drawn.add_column("variant")
    for heading in ("difference", "95 % interval", "p (seeds)", "p (Holm)", "significant"):
        drawn.add_column(heading, justify="right")
    for name, by_metric in found.items():
        if d := by_metric.get(metric):
            numbers = (f"{d.mean:+.3f}", f"[{d.low:+.3f}, {d.high:+.3f}]", f"{d.p:.3f}", f"{d.p_holm:.3f}")
            drawn.add_row(name, *numbers, "yes" if d.significant else "no", style="bold" if d.significant else "")
    show(drawn)
    click.echo(
        "interval: bootstrap over seeds and videos; p: exact paired sign-flip over seeds, Holm over the variants; significant asks for both"
    )
    if caveat:
        click.echo(f"{model}: {caveat}")
