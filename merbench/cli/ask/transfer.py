"""``merbench transfer``: trained on one data set, scored on another."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from merbench.cli.shared.completion import complete_dataset
from merbench.cli.shared.config_file import ConfigCommand
from merbench.cli.shared.output import say_next, show_json
from merbench.cli.shared.request import gather
from merbench.cli.shared.run_options import run_options
from merbench.cli.shared.session import Session

if TYPE_CHECKING:
    from merbench.bench.options import RunOptions
    from merbench.functions.ask.transfer import Transferred


@click.command("transfer", cls=ConfigCommand)
@run_options
@click.option(
    "--from",
    "sources",
    metavar="A[,B]",
    required=True,
    shell_complete=complete_dataset,
    help="Data sets to train on.",
)
@click.option(
    "--to",
    "targets",
    shell_complete=complete_dataset,
    metavar="C[,D]",
    required=True,
    help="Data sets on whose test rows the models are scored.",
)
@click.option("--finetune", is_flag=True, help="Also continue training on the target's train rows.")
@click.option(
    "--together", "both", is_flag=True, help="Also train on the train rows of both at once."
)
@click.option(
    "--finetune-set",
    "tuning",
    metavar="PART.KEY=VALUE",
    multiple=True,
    help="A setting of that training alone.",
)
@click.pass_obj
def command(
    session: Session,
    /,
    sources: str,
    targets: str,
    finetune: bool,
    both: bool,
    tuning: tuple[str, ...],
    **parsed: Any,
) -> None:
    """Train on one data set and score on another's test rows: as it is, and after more training
    there. Every pair of --from and --to.

    Each is compared with the same model trained on the target alone; with --finetune and --together
    a third way trains on both and then continues with the target alone. Only modalities that both
    data sets offer in the same form are used. Utterances that the two share are kept out of
    training and listed. Epochs are chosen on validation rows.

    \b
    Example: merbench transfer --model text-only --from mosei --to mosi --finetune \\
                 --finetune-set train.lr=1e-4
    """
    from merbench.api.errors import RequestError
    from merbench.engine.plan.settings import parse_settings
    from merbench.functions.ask.transfer import Ways, pairs_of, transferred

    if parsed["dataset"]:
        raise RequestError(
            "--dataset does not go with transfer; name the data sets with --from and --to"
        )
    pairs = pairs_of(_names(sources), _names(targets))
    ways = Ways(finetune, both, parse_settings(tuning, "--finetune-set"))
    options = gather((), **parsed)
    outcome = transferred(session.bench(replace(options, dataset=pairs[0][1])), pairs, ways)
    _report(options, targets, outcome)
    raise SystemExit(1 if outcome.failed else 0)


def _names(text: str) -> list[str]:
    """Of ``A,B:x=1,y=2`` two: a comma before a setting does not end the data set."""
    return [name.strip() for name in re.split(r",(?![^,:]*=)", text) if name.strip()]


def _report(options: RunOptions, targets: str, outcome: Transferred) -> None:
    from merbench.cli.shared.scores_and_differences import show_lines
    from merbench.report.scores.paired_differences import lines_as_json

    if options.as_json:
        lines = lines_as_json(outcome.lines, outcome.differences)
        show_json({"model": options.model, "lines": lines, "notes": outcome.notes})
        return
    title = f"{options.model} · test rows of {targets}"
    caveats = [outcome.caveat] if outcome.caveat else []
    show_lines(title, outcome.lines, outcome.differences, outcome.metrics, "trained on", caveats)
    say_next(options.store, "leaderboard")
