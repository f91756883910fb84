"""``merbench leaderboard export``: boards for other collections of results."""

from __future__ import annotations

from pathlib import Path

import click

from merbench.cli.shared.output import say
from merbench.cli.shared.session import Session
from merbench.functions.export import FORMS, Form


@click.command("export")
@click.option("--format", "form", type=click.Choice(FORMS), required=True)
@click.option(
    "--out", type=click.Path(path_type=Path, file_okay=False), required=True, metavar="FOLDER"
)
@click.option("--dataset", help="Only this data set.")
@click.option("--track", help="Only tracks whose title holds this, such as folds.")
@click.option(
    "--hub-dataset",
    metavar="OWNER/NAME",
    default="",
    help="With hf: the data set on the hub, for .eval_results files.",
)
@click.option(
    "--store",
    type=click.Path(path_type=Path),
    envvar="MERBENCH_STORE",
    default="runs",
    show_default=True,
)
@click.option(
    "--boards",
    type=click.Path(path_type=Path),
    help="From this folder of built boards in place of a store.",
)
@click.pass_obj
def command(
    session: Session,
    form: Form,
    out: Path,
    dataset: str | None,
    track: str | None,
    hub_dataset: str,
    store: Path,
    boards: Path | None,
) -> None:
    """Write every row as model-index metadata (hf), as a record of Every Eval Ever, or the boards
    as BibTeX. Nothing is uploaded.

    \b
    Example: merbench leaderboard export --format hf --out cards --dataset mosi
             merbench leaderboard export --format every-eval-ever --boards leaderboards --out eee
    """
    from merbench.cli.look.leaderboard.boards import from_folder, from_store
    from merbench.functions.export import exported

    scored = (
        from_folder(boards, dataset, track)
        if boards
        else from_store(session, store, dataset, track)[1]
    )
    files = exported(scored, form, out, hub_dataset)
    say(f"{out}: {len(files)} files")
