"""``merbench generalise``: trained models read out with other label words, without further
training.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from merbench.cli.shared.config_file import ConfigCommand
from merbench.cli.shared.options import run_options
from merbench.cli.shared.output import room, say, say_next, show, show_json
from merbench.cli.shared.request import gather
from merbench.cli.shared.session import Session

if TYPE_CHECKING:
    from merbench.bench.bench import Bench
    from merbench.data.labels.sets import LabelSet
    from merbench.engine.plan.plan import Plan
    from merbench.report.scores.paired import Difference, Line
    from merbench.results.metrics import TaskMetrics


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
    "ablations",
    metavar="NAME",
    multiple=True,
    help="A declared ablation beside the full model (repeatable), or all.",
)
@click.pass_obj
def command(
    session: Session, /, label_sets: Path, ablations: tuple[str, ...], **parsed: Any
) -> None:
    """Read a trained model out with other label words (two, five, synonyms, another language's),
    without further training.

    Only models with a label encoder and a head that looks at the labels can; others are listed with
    the reason. What the store lacks is trained first. --model takes several, joined by commas.

    \b
    A file of label sets, with the value of each word:
      [two]
      negative = -2.0
      positive = 2.0

    \b
    Example: merbench generalise --model merclip --dataset mosi --labels FILE \\
                 --ablation label-random
             merbench generalise --model merclip,tfn --dataset sample --labels FILE --json
    """
    from merbench.analyses.generalise import OWN
    from merbench.api.errors import RequestError
    from merbench.cli.shared.lines import show_lines
    from merbench.data.labels.sets import read_label_sets
    from merbench.report.scores.paired import compare

    options = gather((), **parsed)
    bench = session.bench(options)
    plans = bench.contenders(ablations)
    first_plan = next(iter(plans.values()))
    metrics = first_plan.metrics
    sets = read_label_sets(label_sets, first_plan.task.space)
    test, valid, drift = _read_out(bench, plans, options.seeds, sets)
    if not any(line.against and line.scored for line in test):
        reason = next((line.reason for line in test if line.reason), "no run was finished")
        raise RequestError(
            f"none of {', '.join(plans)} can be read out with the labels of {label_sets}: {reason}"
        )
    differences = compare(test, metrics)
    if options.as_json:
        track = first_plan.track.model_dump(mode="json")
        show_json(_as_json(track, sets, test, valid, differences, drift))
        return
    title = f"{first_plan.track.title} · test, other label words without further training"
    show_lines(title, test, differences, metrics, "labels")
    _show_valid(valid, metrics)
    equal = (
        f"differ from the stored predictions by up to {drift:.1e}"
        if drift
        else "equal the stored predictions to the last bit"
    )
    say(f"{OWN}, read out again, {equal}")
    say_next(options.store, "leaderboard")


def _read_out(
    bench: Bench, plans: Mapping[str, Plan], seeds: Sequence[int], sets: Sequence[LabelSet]
) -> tuple[list[Line], list[Line], float]:
    """(test lines, valid lines, drift): the drift is the largest difference between stored
    predictions and those read out again with the data set's own labels.
    """
    from merbench.analyses.generalise import generalise, why_not

    test: list[Line] = []
    valid: list[Line] = []
    drift = 0.0
    for name, plan in plans.items():
        records = [] if why_not(plan) else bench.run(plan, seeds)
        generalised = generalise(
            plan, bench.corpus, records, bench.store, bench.machine, sets, name
        )
        test += generalised.test
        valid += generalised.valid
        drift = max(drift, generalised.drift or 0.0)
    return test, valid, drift


def _as_json(
    track: dict[str, Any],
    sets: Sequence[LabelSet],
    test: Sequence[Line],
    valid: Sequence[Line],
    differences: Mapping[str, Mapping[str, Difference]],
    drift: float,
) -> dict[str, Any]:
    from merbench.report.scores.paired import lines_as_json

    return {
        "track": track,
        "labels": {
            s.name: {"words": s.space.words, "values": s.space.anchors, "of": s.of} for s in sets
        },
        "test": lines_as_json(test, differences),
        "valid": lines_as_json(valid, {}),
        "drift": drift,
    }


def _show_valid(lines: Sequence[Line], metrics: TaskMetrics) -> None:
    from merbench.report.scores.rows.pooled_seeds import summary
    from merbench.report.tables import board
    from merbench.report.tables.terminal import table

    rows = [board.model_row(line.name, summary(line.scored)) for line in lines]
    title, columns = "the same on the valid rows", board.columns(metrics)
    show(table(title, columns, rows, name="labels", width=room()))
