"""``merbench generalise``: trained models read out with other label words, without further
training.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import click

from merbench.cli.shared.config_file import ConfigCommand
from merbench.cli.shared.options import run_options
from merbench.cli.shared.output import room, say, say_next, show, show_json
from merbench.cli.shared.request import gather
from merbench.cli.shared.session import Session


@click.command("generalise", cls=ConfigCommand)
@partial(run_options, without=("labels",))
@click.option(
    "--labels",
    "label_sets",
    required=True,
    type=click.Path(path_type=Path),
    help="A TOML file of label sets.",
)
@click.option(
    "--ablation",
    "named",
    metavar="NAME",
    multiple=True,
    help="A declared ablation beside the full model (repeatable), or all.",
)
@click.pass_obj
def command(session: Session, /, label_sets: Path, named: tuple[str, ...], **parsed: Any) -> None:
    """Read a trained model out with other label words (two, five, synonyms, another language's),
    without further training.

    Only models with a label encoder and a head that looks at the labels can; others are listed with
    the reason. What the store lacks is trained first. --model takes several, joined by commas.

    \b
    A file of label sets, with the value that each word stands for:
      [two]
      negative = -2.0
      positive = 2.0

    \b
    Example: merbench generalise --model merclip --dataset mosi --labels FILE \\
                 --ablation label-random
             merbench generalise --model merclip,tfn --dataset sample --labels FILE --json
    """
    from merbench.api.errors import RequestError
    from merbench.cli.shared.lines import show_lines
    from merbench.data.labels.sets import read_label_sets
    from merbench.report.scores.paired import compare, lines_as_json
    from merbench.report.scores.rows.pooled_seeds import summary
    from merbench.report.tables import board
    from merbench.report.tables.terminal import table

    options = gather((), **parsed)
    bench = session.bench(options)
    plans = bench.contenders(named)
    first = next(iter(plans.values()))
    metrics = first.metrics
    sets = read_label_sets(label_sets, first.task.space)
    from merbench.analyses.generalise import OWN, generalise, why_not

    test, valid, drift = [], [], 0.0
    for name, plan in plans.items():
        records = [] if why_not(plan) else bench.run(plan, options.seeds)
        generalised = generalise(
            plan, bench.corpus, records, bench.store, bench.machine, sets, name
        )
        test += generalised.test
        valid += generalised.valid
        drift = max(drift, generalised.drift or 0.0)
    if not any(line.against and line.scored for line in test):
        reason = next((line.reason for line in test if line.reason), "no run was finished")
        raise RequestError(
            f"none of {', '.join(plans)} can be read out with the labels of {label_sets}: {reason}"
        )
    by_name = compare(test, metrics)
    if options.as_json:
        spaces = {
            s.name: {"words": s.space.words, "values": s.space.anchors, "of": s.of} for s in sets
        }
        lines = {"test": lines_as_json(test, by_name), "valid": lines_as_json(valid, {})}
        show_json(
            {
                "track": first.track.model_dump(mode="json"),
                "labels": spaces,
                **lines,
                "drift": drift,
            }
        )
        return
    show_lines(
        f"{first.track.title} · test, other label words without further training",
        test,
        by_name,
        metrics,
        "labels",
    )
    rows = [board.model_row(line.name, summary(line.scored)) for line in valid]
    show(
        table(
            "the same on the valid rows", board.columns(metrics), rows, name="labels", width=room()
        )
    )
    equal = (
        "equal the stored predictions to the last bit"
        if not drift
        else f"differ from the stored predictions by up to {drift:.1e}"
    )
    say(f"{OWN}, read out again, {equal}")
    say_next(options.store, "leaderboard")
