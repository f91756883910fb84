"""``merbench leaderboard supersede``: a correction that stays on record."""

from __future__ import annotations

from pathlib import Path

import click

from merbench.api.plural import are, count_of
from merbench.cli.shared.options import ONLY_DATASET, ONLY_TRACK, STORE
from merbench.cli.shared.output import say, say_next
from merbench.cli.shared.session import Session


@click.command("supersede")
@click.argument("old")
@click.argument("new", required=False)
@click.option("--reason", required=True, help="What was wrong, in one sentence; boards show it.")
@ONLY_DATASET
@ONLY_TRACK
@STORE
@click.pass_obj
def command(
    session: Session,
    old: str,
    new: str | None,
    reason: str,
    dataset: str | None,
    track: str | None,
    store: Path,
) -> None:
    """Replace the row OLD of a board by its row NEW, each named as in the table, or by the id of a
    run or a file of it in the store.

    Nothing is deleted: OLD leaves the ranking, and pages, table.csv and --json show it as
    superseded, with the date and the reason. Without NEW, the runs of OLD were made again under
    their own ids (--force), and their earlier results are superseded by the present ones.

    \b
    Example: merbench leaderboard supersede tfn --reason "audio was standardised by test rows"
             merbench leaderboard supersede "mine v1 (outside)" "mine v2 (outside)" \\
                 --reason "v1 was trained on rows of the test split"
    """
    from merbench.functions.look.supersede import superseded

    result = superseded(session.catalog, store, old, new, reason, dataset, track)
    correction = result.correction
    n_old = len(correction.old)
    say(
        f"{result.track}: {count_of(n_old, 'run')} of {result.old} {are(n_old)} superseded by "
        f"{len(correction.new)} of {result.new} (correction {correction.id})"
    )
    say_next(store, "leaderboard build")
