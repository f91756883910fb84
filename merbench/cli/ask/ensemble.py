"""``merbench ensemble``: the mean of what finished runs predict."""

from __future__ import annotations

from pathlib import Path

import click

from merbench.cli.shared.options import JSON, ONLY_DATASET, ONLY_TRACK, STORE
from merbench.cli.shared.output import say, say_next, show_json
from merbench.cli.shared.session import Session


@click.command("ensemble")
@click.argument("runs", nargs=-1, required=True, metavar="RUN...")
@ONLY_DATASET
@ONLY_TRACK
@STORE
@JSON
@click.pass_obj
def command(
    session: Session,
    runs: tuple[str, ...],
    dataset: str | None,
    track: str | None,
    store: Path,
    as_json: bool,
) -> None:
    """Average the predictions of finished runs, each RUN (a row of merbench leaderboard by name, or
    a run by its id or a file of it in the store) with all its seeds.

    Seed by seed, and then over the seeds too. All must have been scored on the same test rows; they
    may come from several models, and from transfer. Which runs to average is best decided by their
    validation scores.

    \b
    Example: merbench ensemble merclip tfn --dataset mosi --track standard
             merbench ensemble 0123456789abcdef fedcba9876543210
    """
    from merbench.cli.shared.scores_and_differences import show_lines
    from merbench.functions.ask.ensemble import ensembled
    from merbench.report.scores.paired_differences import lines_as_json

    averaged = ensembled(runs, store, dataset, track, session.catalog, say)
    lines, differences = averaged.lines, averaged.differences
    if as_json:
        show_json({"lines": lines_as_json(lines, differences)})
        return
    of = averaged.track
    title = f"{of.dataset} · {of.task} · {of.protocol}"
    show_lines(title, lines, differences, averaged.metrics, "runs", averaged.caveats)
    say_next(store, "leaderboard")
