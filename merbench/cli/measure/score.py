"""``merbench score``: predictions made outside merbench, on the boards."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from merbench.cli.shared.named_path import NamedPath
from merbench.cli.shared.options import DATA, JSON, PROTOCOL, REQUIRED_DATASET, STORE, TASK
from merbench.cli.shared.output import room, say_next, show, show_json
from merbench.cli.shared.session import Session

if TYPE_CHECKING:
    from merbench.functions.measure.score import ScoreResult


@click.command("score")
@click.argument("predictions", nargs=-1, required=True, type=NamedPath(), metavar="FILE...")
@REQUIRED_DATASET
@click.option("--name", required=True, help="The name of their row, such as gpt-x.")
@TASK
@PROTOCOL
@click.option(
    "--seed",
    "seeds",
    type=int,
    multiple=True,
    help="The seed of each FILE, in their order.  [default: 0, 1, ...]",
)
@click.option(
    "--valid",
    multiple=True,
    type=NamedPath(),
    metavar="FILE",
    help="Predictions of the validation rows, one for each FILE.",
)
@click.option(
    "--about",
    type=NamedPath(),
    metavar="FILE.toml",
    help="source, licence, date, description, streams and pretrained: what is known of them.",
)
@click.option(
    "--thresholds",
    default="fixed:0.5",
    show_default=True,
    help="Of labels: fixed:T, or with --valid tuned_on_valid, tuned_on_valid_per_label.",
)
@DATA
@click.option(
    "--vectors",
    metavar="NAME|FILE",
    multiple=True,
    help="Word vectors that --about names.  [default: all in DATA/vectors]",
)
@STORE
@click.option("--force", is_flag=True, help="Replace what the store has under that name and seed.")
@JSON
@click.pass_obj
def command(session: Session, /, as_json: bool, **parsed: Any) -> None:
    """Score predictions that were made elsewhere, each FILE one seed, and keep them as runs.

    A FILE (.csv, .jsonl, .npz or .parquet) has a column id and a column score, a column label with
    words, or a column of probabilities for each label. Every test row must be in it, and no other.
    The row is on the board of what --about says that the model was offered; without that, on a
    board of its own.

    \b
    Example: merbench score gpt.csv --dataset mosi --name gpt-x --about about.toml
             merbench score seed0.npz seed1.npz --dataset mosi --name mine
             merbench score test.csv --valid valid.csv --dataset mosei --task emotions --name mine
    """
    from merbench.functions.measure.score import ScoreOptions, scored

    result = scored(ScoreOptions(**parsed), session.catalog, session.homes(parsed["data"]))
    if as_json:
        _show_json(result)
        return
    _show(session, result)
    say_next(parsed["store"], "leaderboard")


def _show(session: Session, result: ScoreResult) -> None:
    from merbench.report.tables import board
    from merbench.report.tables.terminal import table

    first = result.records[0]
    metrics = session.catalog.metrics.of(first.space.label_space(), first.space.rank)
    rows = board.rows({result.name: result.summary}, {}, metrics[metrics.ranking])
    notes = [*board.notes(first.space.kind, result.summary, result.row_counts), first.caveat]
    notes += result.notes
    columns = board.columns(metrics)
    show(table(result.track.title, columns, rows, notes=notes, width=room()))


def _show_json(result: ScoreResult) -> None:
    from merbench.report.scores.statistics.means import summaries_as_json

    show_json(
        {
            "track": result.track.model_dump(mode="json"),
            "runs": [record.model_dump(mode="json") for record in result.records],
            "summary": summaries_as_json(result.summary),
            "notes": result.notes,
        }
    )
