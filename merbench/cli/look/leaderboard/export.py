"""``merbench leaderboard export``: boards for other collections of results."""

from __future__ import annotations

from pathlib import Path

import click

from merbench.api.plural import count_of
from merbench.cli.shared.named_path import NamedPath
from merbench.cli.shared.options import ONLY_DATASET, ONLY_TRACK, STORE
from merbench.cli.shared.output import say
from merbench.cli.shared.session import Session
from merbench.functions.look.export import FORMS, Form


@click.command("export")
@click.option("--format", "form", type=click.Choice(FORMS), required=True)
@click.option(
    "--out",
    type=NamedPath(file_okay=False),
    metavar="FOLDER",
    help="Where the files go; always needed.",
)
@ONLY_DATASET
@ONLY_TRACK
@click.option(
    "--hub-dataset",
    metavar="OWNER/NAME",
    default="",
    help="With hf: the data set on the hub, for .eval_results files.",
)
@click.option(
    "--rows",
    is_flag=True,
    help="With every-eval-ever: each row's prediction, target and error too. Publish these only "
    "where the licence of the data allows it.",
)
@STORE
@click.option(
    "--boards",
    type=NamedPath(),
    help="Read this folder of built boards instead of a store.",
)
@click.pass_obj
def command(
    session: Session,
    form: Form,
    out: Path | None,
    dataset: str | None,
    track: str | None,
    hub_dataset: str,
    rows: bool,
    store: Path,
    boards: Path | None,
) -> None:
    """Write every row as model-index metadata (hf), as a record of Every Eval Ever, or the boards
    as BibTeX. Nothing is uploaded.

    \b
    Example: merbench leaderboard export --format hf --out cards --dataset mosi
             merbench leaderboard export --format every-eval-ever --boards leaderboards --out eee
    """
    from merbench.api.errors import RequestError
    from merbench.cli.look.leaderboard.boards import from_folder, from_store
    from merbench.functions.look.export import exported
    from merbench.report.folder.names import existing_tracks

    if out is None:
        raise RequestError(f"say where the files go, such as --out {form}")
    if boards and rows:
        raise RequestError("built boards hold no targets; take --rows from a --store")
    if boards:
        source, scored = None, from_folder(boards, dataset, track)
        tracks = list(existing_tracks(boards).values())
    else:
        read = from_store(session, store, dataset, track)
        source, scored, tracks = read.source, read.scored, read.tracks
    files = exported(scored, tracks, form, out, hub_dataset, source if rows else None)
    say(f"{out}: {count_of(len(files), 'file')}")
