"""``merbench robust``: trained models scored on damaged test rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from merbench.cli.shared.ablation_flags import (
    AblationCommand,
    ablation_option,
    require_declared,
)
from merbench.cli.shared.named_path import NamedPath
from merbench.cli.shared.output import room, say, say_next, show, show_json
from merbench.cli.shared.request import gather
from merbench.cli.shared.run_options import run_options
from merbench.cli.shared.session import Session
from merbench.report.tables.numbers import number

if TYPE_CHECKING:
    from merbench.analyses.missing_rates import RateCurve
    from merbench.bench.bench import Bench
    from merbench.bench.options import RunOptions
    from merbench.engine.plan.plan import Plan
    from merbench.results.metrics import TaskMetrics


T = TypeVar("T")
NUMBER_WIDTH = 7
"""Columns of a number of the table of rates, with the space before the next."""


@click.command("robust", cls=AblationCommand)
@run_options
@click.option(
    "--corrupt",
    "damages",
    metavar="MODALITY=KIND[:STRENGTH]",
    multiple=True,
    help="What is done to the test rows.",
)
@click.option(
    "--rates",
    "kind",
    type=click.Choice(["drop", "mask"]),
    help="Every modality, and all at once, missing at rates 0 to .9.  [default without --corrupt]",
)
@ablation_option("A declared ablation beside the full model (repeatable), or all")
@click.option(
    "--plot",
    type=NamedPath(dir_okay=False),
    help="Write the curves to this SVG file.",
)
@click.pass_obj
def command(
    session: Session,
    /,
    damages: tuple[str, ...],
    kind: str | None,
    ablations: tuple[str, ...],
    plot: Path | None,
    **parsed: Any,
) -> None:
    """Score trained models on damaged test rows; validation stays as it is, and so does training
    without --missing.

    \b
    without --corrupt             every metric with each modality, and all of them, missing at rates
                                  0 to .9; --rates mask: steps (words) missing in place of rows
    --corrupt audio=drop          the modality is missing in every row; drop:0.5 in half of them
    --corrupt text=mask:0.3       each step (word) is taken out with probability .3
    --corrupt video=noise:1.0     normal noise on features, in units of each dimension's deviation
                                  over the train rows
    --corrupt video=noise:0:2:5   a curve: five strengths from 0 to 2
    --corrupt text=mask:0.3,audio=drop       both at once

    What the store lacks is trained first. --model takes several, joined by commas.

    \b
    Example: merbench robust --model tfn,lnln --dataset mosi --plot missing.svg
             merbench robust --model merclip,text-only --dataset mosi --corrupt audio=drop \\
                 --corrupt text=mask:0:0.8:5
    """
    from merbench.api.errors import RequestError
    from merbench.functions.ask.robust import TWO_QUESTIONS
    from merbench.results.files import require_output

    if damages and kind:
        raise RequestError(TWO_QUESTIONS)
    if plot:
        require_output(plot)
    require_declared(session, parsed["model"], ablations)
    options = gather((), **parsed)
    bench = session.bench(options)
    plans = bench.contenders(ablations)
    if damages:
        _damages(bench, options, plans, damages, plot)
    else:
        _rates(bench, options, plans, kind or "drop", plot)
    if not options.as_json:
        say_next(options.store, "leaderboard")
    raise SystemExit(1 if bench.failed else 0)


def _damages(
    bench: Bench,
    options: RunOptions,
    plans: Mapping[str, Plan],
    damages: Sequence[str],
    plot: Path | None,
) -> None:
    from merbench.analyses.robust import curve_names, curves, parse, title
    from merbench.api.errors import RequestError
    from merbench.cli.shared.scores_and_differences import show_lines
    from merbench.functions.ask.robust import damaged
    from merbench.report.scores.paired_differences import compare, lines_as_json

    cases = list({title(case): case for text in damages for case in parse(text)}.values())
    if plot and not curve_names(cases):
        raise RequestError(
            "--plot draws curves, and no damage was asked for at two strengths or more; "
            "give KIND:FROM:TO:POINTS"
        )
    lines_by_model = damaged(bench, plans, cases)
    lines = list(chain.from_iterable(lines_by_model.values()))
    first_plan = next(iter(plans.values()))
    metrics = first_plan.metrics
    curves_by_model = {
        name: curves(cases, of_model, metrics.ranking) for name, of_model in lines_by_model.items()
    }
    differences = compare(lines, metrics)
    if options.as_json:
        points = {
            name: {damage: [p._asdict() for p in ps] for damage, ps in by_damage.items()}
            for name, by_damage in curves_by_model.items()
        }
        track = first_plan.track.model_dump(mode="json")
        lines_json = lines_as_json(lines, differences)
        show_json({"track": track, "lines": lines_json, "curves": points})
    else:
        title_text = f"{first_plan.track.title} · damaged test rows"
        show_lines(title_text, lines, differences, metrics, "test rows")
    if plot:
        _draw(plot, first_plan, by_inner_key(curves_by_model))


def _rates(
    bench: Bench,
    options: RunOptions,
    plans: Mapping[str, Plan],
    kind: Any,
    plot: Path | None,
) -> None:
    from dataclasses import asdict

    from merbench.analyses.missing_rates import panels
    from merbench.functions.ask.robust import missing

    curves = missing(bench, plans, kind)
    first_plan = next(iter(plans.values()))
    figure = panels(curves, first_plan.metrics.ranking, kind)
    if options.as_json:
        points_by_model = by_inner_key(figure)
        points = {
            name: {
                label: [p._asdict() for p in points]
                for label, points in points_by_model.get(name, {}).items()
            }
            for name in plans
        }
        track = first_plan.track.model_dump(mode="json")
        rates = [asdict(c) | {"points": [p._asdict() for p in c.points]} for c in curves]
        show_json({"track": track, "lines": [], "curves": points, "rates": rates})
    else:
        label = "steps" if kind == "mask" else "modalities"
        title = f"{first_plan.track.title} · test rows lack {label}"
        _show_rates(title, curves, first_plan.metrics)
    if plot:
        _draw(plot, first_plan, figure)


def by_inner_key(nested: Mapping[str, Mapping[str, T]]) -> dict[str, dict[str, T]]:
    """``{"tfn": {"audio": x, "text": y}}`` -> ``{"audio": {"tfn": x}, "text": {"tfn": y}}``."""
    inner_keys = sorted({key for inner in nested.values() for key in inner})
    return {
        key: {outer: inner[key] for outer, inner in nested.items() if key in inner}
        for key in inner_keys
    }


def _draw(plot: Path, plan: Plan, panels: Mapping[str, Mapping[str, Any]]) -> None:
    """Last, so that what was found is shown where there is no curve: RequestError."""
    from merbench.api.errors import RequestError
    from merbench.report.pictures.damage_curves import curves
    from merbench.results.files import write_output

    if not panels:
        raise RequestError(
            f"--plot {plot} is not written: no damage has a {plan.metrics.ranking} at two "
            "strengths or more; ask for one that fits what the models read"
        )
    write_output(plot, curves(plan.track.title, plan.metrics.ranking, panels))
    say(f"curves: {plot}")


def _show_rates(title: str, curves: Sequence[RateCurve], metrics: TaskMetrics) -> None:
    from rich.table import Table

    from merbench.api.material.types import MODALITIES

    labels = [(metrics[c.metric].title, c.missing, c.model) for c in curves]
    width = room()
    label_width = sum(1 + max(map(len, column)) for column in zip(*labels, strict=True))
    columns_left = None if width is None else width - label_width
    rates = rates_shown(len(curves[0].points), columns_left)
    sheet = Table(title=title, box=None, padding=(0, 1, 0, 0))
    for heading in ("metric", "missing", "model"):
        sheet.add_column(heading, overflow="fold")
    for k in rates:
        sheet.add_column(f"{curves[0].points[k].strength:g}", justify="right", no_wrap=True)
    for heading in ("area", "spread"):
        sheet.add_column(heading, justify="right", no_wrap=True)
    metric_order, missing_order = list(metrics.headline), [*MODALITIES, "any"]

    def order(curve: RateCurve) -> tuple[int, int]:
        return metric_order.index(curve.metric), missing_order.index(curve.missing)

    for curve in sorted(curves, key=order):  # models in adjacent lines
        metric = metrics[curve.metric]
        values = [*(curve.points[k].mean for k in rates), curve.area, curve.spread]
        numbers = ["" if value is None else number(value, metric) for value in values]
        sheet.add_row(metric.title, curve.missing, curve.model, *numbers)
    show(sheet)
    if len(rates) < len(curves[0].points):
        click.echo("a wider terminal, a file, or --json shows the rates between too")
    click.echo(
        "columns: the rate at which test rows lack it; any: all modalities, each independently at "
        "this rate; area: under the curve, divided by the range of rates; spread: between the "
        "areas of single modalities"
    )


def rates_shown(count: int, columns: int | None) -> list[int]:
    """Which of ``count`` rates a table has room for in so many ``columns`` beside their area and
    spread: all, every third, or the first and the last. None: all.
    """
    everything = list(range(count))
    choices = [everything, everything[::3], everything[:: max(1, count - 1)]]
    fitting = [c for c in choices if columns is None or NUMBER_WIDTH * (len(c) + 2) <= columns]
    return fitting[0] if fitting else choices[-1]
