"""``merbench generalise``: trained models read out with other label words, without further
training.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

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

if TYPE_CHECKING:
    from merbench.functions.ask.generalise import GeneralisedModels
    from merbench.report.scores.paired_differences import Line
    from merbench.results.metrics import TaskMetrics


@click.command("generalise", cls=AblationCommand)
@partial(run_options, without=("labels",))
@click.option(
    "--labels",
    "label_sets",
    required=True,
    type=NamedPath(),
    help="A TOML file of label sets.",
)
@ablation_option("A declared ablation beside the full model (repeatable), or all")
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
    from merbench.functions.ask.generalise import generalised

    require_declared(session, parsed["model"], ablations)
    options = gather((), **parsed)
    bench = session.bench(options)
    models = generalised(bench, options.seeds, label_sets, ablations)
    if options.as_json:
        show_json(_as_json(models))
    else:
        _show(models, options.store)
    raise SystemExit(1 if bench.failed else 0)


def _show(models: GeneralisedModels, store: Path) -> None:
    from merbench.analyses.generalise import OWN
    from merbench.cli.shared.scores_and_differences import show_lines

    title = f"{models.track.title} · test, other label words without further training"
    show_lines(title, models.test, models.differences, models.metrics, "labels")
    _show_valid(models.valid, models.metrics)
    equal = (
        f"differ from the stored predictions by up to {models.drift:.1e}"
        if models.drift
        else "equal the stored predictions to the last bit"
    )
    say(f"{OWN}, read out again, {equal}")
    say_next(store, "leaderboard")


def _as_json(models: GeneralisedModels) -> dict[str, Any]:
    from merbench.report.scores.paired_differences import lines_as_json

    return {
        "track": models.track.model_dump(mode="json"),
        "labels": {
            s.name: {"words": s.space.words, "values": s.space.anchors, "of": s.of}
            for s in models.sets
        },
        "test": lines_as_json(models.test, models.differences),
        "valid": lines_as_json(models.valid, {}),
        "drift": models.drift,
    }


def _show_valid(lines: Sequence[Line], metrics: TaskMetrics) -> None:
    from merbench.report.scores.rows.pooled_seeds import summary
    from merbench.report.tables import board
    from merbench.report.tables.terminal import table

    rows = [board.model_row(line.name, summary(line.scored)) for line in lines]
    title, columns = "the same on the valid rows", board.columns(metrics)
    show(table(title, columns, rows, name="labels", width=room()))
