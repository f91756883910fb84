"""``merbench compare``: two models on the same seeds and rows, or all of a track against each
other.
"""

from __future__ import annotations

from pathlib import Path

import click

from merbench.cli.shared.named_path import NamedPath
from merbench.cli.shared.options import JSON, ONLY_DATASET, ONLY_TRACK, STORE, typed
from merbench.cli.shared.session import Session


@click.command("compare")
@click.argument("a", required=False)
@click.argument("b", required=False)
@click.option(
    "--all",
    "every",
    is_flag=True,
    help="Every model of each track against every other, corrected over all pairs.",
)
@click.option(
    "--metric", help="One metric.  [default: the headline ones; with --all the one that ranks]"
)
@ONLY_DATASET
@ONLY_TRACK
@click.option(
    "--rows",
    default=5,
    show_default=True,
    type=click.IntRange(0),
    help="Show this many of the rows on which the two disagree most.",
)
@click.option(
    "--plot",
    type=NamedPath(dir_okay=False),
    metavar="FILE.svg",
    help="Calibration of both models.",
)
@click.option(
    "--data",
    type=NamedPath(),
    help="Folder of the data sets (also MERBENCH_DATA), for transcripts.",
)
@STORE
@JSON
@click.pass_obj
def command(
    session: Session,
    a: str | None,
    b: str | None,
    every: bool,
    metric: str | None,
    dataset: str | None,
    track: str | None,
    rows: int,
    plot: Path | None,
    data: Path | None,
    store: Path,
    as_json: bool,
) -> None:
    """Paired differences of A and B: rows of merbench leaderboard by name, or runs with commas
    between: ids, or files of theirs in the store.

    Each difference is A minus B, with a 95 % interval over seeds and videos and an exact
    sign-flip p over seeds.

    \b
    Example: merbench compare merclip "merclip no-label-encoder" --dataset mosi --track standard
             merbench compare merclip ridge --metric mae --plot calibration.svg
             merbench compare --all --dataset mosi
    """
    from merbench.api.errors import RequestError
    from merbench.bench.boards import open_boards
    from merbench.cli.look.compare.every_pair import every_pair
    from merbench.cli.look.compare.two_models import two_models
    from merbench.results.store.run_names import as_run_ids

    if every == bool(a) or bool(a) != bool(b):
        raise RequestError("give two models, such as merbench compare merclip mult, or --all alone")
    typed_options = typed(click.get_current_context())
    if every and (
        unused := [typed_options[k] for k in ("rows", "plot", "data") if k in typed_options]
    ):
        raise RequestError(f"{unused[0]} is for two models; leave it out beside --all")
    source, boards = open_boards(session.catalog, store, dataset, track, histories=False)
    if every:
        every_pair(boards, source, metric, as_json)
    else:
        assert a and b
        names = as_run_ids(source.store, a), as_run_ids(source.store, b)
        two_models(session, boards, source, names, metric, rows, plot, data, as_json)
