"""``merbench robust``: trained models on test rows that were made worse."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from merbench.cli.shared.config_file import ConfigCommand
from merbench.cli.shared.options import gather, run_options
from merbench.cli.shared.output import say, show_json
from merbench.cli.shared.session import Session


@click.command("robust", cls=ConfigCommand)
@run_options
@click.option(
    "--corrupt",
    "asked",
    metavar="MODALITY=KIND[:STRENGTH]",
    multiple=True,
    required=True,
    help="What is done to the test rows.",
)
@click.option(
    "--variant",
    "named",
    metavar="NAME",
    multiple=True,
    help="A declared ablation beside the full model (repeatable), or all.",
)
@click.option(
    "--plot",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write the curves to this SVG file.",
)
@click.pass_obj
def command(
    session: Session,
    /,
    asked: tuple[str, ...],
    named: tuple[str, ...],
    plot: Path | None,
    **given: Any,
) -> None:
    """Score trained models on damaged test rows; training and validation stay as they are.

    \b
    --corrupt audio=drop          the modality is missing in every row; drop:0.5 in half of them
    --corrupt text=mask:0.3       each step (word) is taken out with probability .3
    --corrupt video=noise:1.0     normal noise on features, in units of each dimension's deviation
                                  over the train rows
    --corrupt video=noise:0:2:5   a curve: five strengths from 0 to 2
    --corrupt text=mask:0.3,audio=drop       both at once

    What the store lacks is trained first. --model takes several, joined by commas.

    \b
    Example: merbench robust --model merclip,text-only --dataset mosi --corrupt audio=drop \\
                 --corrupt text=mask:0:0.8:5
    """
    from merbench.api.errors import RequestError
    from merbench.cli.shared.lines import show_lines
    from merbench.report.scores.paired import compare, lines_as_json

    options = gather((), **given)
    bench = session.bench(options)
    from merbench.analyses.robust import curves, parse, robust, title

    cases = list({title(case): case for text in asked for case in parse(text)}.values())
    plans = bench.contenders(named)
    first = next(iter(plans.values()))
    metrics = first.metrics
    lines, drawn = [], {}
    for name, plan in plans.items():
        damaged_lines = robust(
            plan,
            bench.corpus,
            bench.run(plan, options.seeds),
            bench.store,
            bench.machine,
            cases,
            name,
        )
        lines += damaged_lines
        drawn[name] = curves(cases, damaged_lines, metrics.ranking)
    if not any(line.against for line in lines):
        raise RequestError(next(line.reason for line in lines if line.reason))
    by_name = compare(lines, metrics)
    if plot:
        from merbench.report.pictures.curves import curves as draw
        from merbench.results.files import write_output

        kinds = sorted({what for by_kind in drawn.values() for what in by_kind})
        if not kinds:
            raise RequestError(
                "--plot draws curves, and no damage was asked for at two strengths or more; "
                "give KIND:FROM:TO:POINTS"
            )
        panels = {
            what: {name: by_kind[what] for name, by_kind in drawn.items() if what in by_kind}
            for what in kinds
        }
        write_output(plot, draw(first.track.title, metrics.ranking, panels))
        say(f"curves: {plot}")
    if options.as_json:
        points = {
            name: {what: [p._asdict() for p in ps] for what, ps in by_kind.items()}
            for name, by_kind in drawn.items()
        }
        show_json(
            {
                "track": first.track.model_dump(mode="json"),
                "lines": lines_as_json(lines, by_name),
                "curves": points,
            }
        )
    else:
        show_lines(f"{first.track.title} · damaged test rows", lines, by_name, metrics, "test rows")
