"""``merbench leaderboard``: the tables of a store, one a track; its subcommands build, draw, check
and extend a folder of boards.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from merbench.api.errors import RequestError
from merbench.cli.shared.groups import LazyGroup
from merbench.cli.shared.named_path import NamedPath
from merbench.cli.shared.options import ONLY_DATASET, ONLY_TRACK, STORE, typed
from merbench.cli.shared.output import say, show_json, write
from merbench.cli.shared.session import Session

if TYPE_CHECKING:
    from merbench.cli.look.leaderboard.boards import Scored
    from merbench.cli.look.leaderboard.cached_text import Report
    from merbench.report.tables.board_sheet import Sheet

FORMATS = ("text", "md", "csv", "latex", "html", "json")
SUBCOMMANDS = (
    *("build", "render", "verify", "submit", "supersede"),
    *("export", "pull", "serve"),
)
ALWAYS_IN = {
    "html": ("all_metrics", "intervals", "ablations", "claims", "rows"),
    "csv": ("all_metrics", "intervals", "rows"),
    "json": ("rows",),
    "md": ("rows",),
    "latex": ("rows",),
}
"""Format -> options that have no effect on it: all of what they would show is always there."""


@click.group(
    "leaderboard",
    cls=LazyGroup,
    package="merbench.cli.look.leaderboard",
    names=SUBCOMMANDS,
    invoke_without_command=True,
)
@ONLY_DATASET
@ONLY_TRACK
@click.option("--format", "form", type=click.Choice(FORMATS), default="text", show_default=True)
@click.option(
    "--all-metrics", is_flag=True, help="Every metric of the task, not the headline ones alone."
)
@click.option("--intervals", is_flag=True, help="95 % intervals in every cell.")
@click.option("--ablations", is_flag=True, help="Ablations too.")
@click.option(
    "--rows",
    type=click.IntRange(min=1),
    default=200,
    show_default=True,
    help="So many of a table are printed, the best ones; the other formats have every row.",
)
@click.option("--claims", is_flag=True, help="What papers and other repositories claim, too.")
@STORE
@click.option(
    "--boards",
    type=NamedPath(),
    help="Read this folder of built boards instead of a store.",
)
@click.pass_context
def command(
    ctx: click.Context,
    dataset: str | None,
    track: str | None,
    form: str,
    all_metrics: bool,
    intervals: bool,
    ablations: bool,
    rows: int,
    claims: bool,
    store: Path,
    boards: Path | None,
) -> None:
    """Every finished run of the store as tables, one a track; models are compared inside a track
    only.

    Cells are mean ± sd over seeds. Models that the paired test does not separate share a rank.
    --format csv is one tidy table with every metric and interval, for pandas.read_csv.

    \b
    Example: merbench leaderboard --dataset mosi
             merbench leaderboard --format latex --intervals > board.tex
             merbench leaderboard build --store runs --out boards
    """
    _refuse_without_effect(typed(ctx), ctx.invoked_subcommand, form)
    if ctx.invoked_subcommand:
        return
    session: Session = ctx.obj
    parts = {
        "every_metric": all_metrics,
        "ablations": ablations,
        "intervals": intervals,
        "claims": claims,
        "superseded": form in ("json", "csv"),
    }
    as_text = form in ("text", "md", "latex")

    def scored(report: Report = say) -> Scored:
        from merbench.cli.look.leaderboard.boards import from_folder, from_store

        if boards:
            return from_folder(boards, dataset, track)
        return from_store(session, store, dataset, track, report, as_text and not intervals).scored

    def sheets(scored_boards: Scored) -> list[Sheet]:
        from merbench.report.tables.board_sheet import sheet

        return [sheet(board, scores, **parts) for board, scores in scored_boards]

    def text(report: Report = say) -> str:
        from merbench.cli.look.leaderboard.tables import text_of

        return text_of(form, sheets(scored(report)), rows)

    if not as_text:
        scored_boards = scored()
        _print_boards(form, scored_boards, sheets(scored_boards))
        return
    if boards or claims:
        printed = text()
    else:
        from merbench.cli.look.leaderboard.cached_text import cached_text

        options = {"form": form, "dataset": dataset, "track": track, "rows": rows, **parts}
        printed = cached_text(session, store, options, text)
    _print_text(form, printed)


def _refuse_without_effect(
    typed_options: Mapping[str, str], subcommand: str | None, form: str
) -> None:
    """RequestError for an option that changes nothing: one before a subcommand, or one whose
    content the format always has. ``typed_options``: parameter -> option as it was typed.
    """
    if subcommand:
        for option in typed_options.values():
            raise RequestError(
                f"{option} before {subcommand} has no effect; "
                f"give the options of {subcommand} after its name"
            )
        return
    for name in ALWAYS_IN.get(form, ()):
        if name in typed_options:
            raise RequestError(
                f"--format {form} always has them all; leave {typed_options[name]} out"
            )


def _print_text(form: str, text: str) -> None:
    if form == "text":
        write(text)  # with the terminal's colours
    else:
        click.echo(text, nl=False)


def _print_boards(form: str, scored_boards: Scored, pages: Sequence[Sheet]) -> None:
    """As a page, JSON or one tidy table."""
    from merbench.report.site.board_page.page import board_page
    from merbench.report.tables.board_sheet import as_json
    from merbench.report.tables.tidy import tidy, to_csv

    with_pages = [(*scored, page) for scored, page in zip(scored_boards, pages, strict=True)]
    if form == "html":
        if len(scored_boards) > 1:
            raise RequestError(
                f"--format html is one page, and there are {len(scored_boards)} tracks; "
                "choose with --dataset and --track, or build"
            )
        click.echo(board_page(*scored_boards[0], {}))
    elif form == "json":
        show_json([as_json(board, scores, page) for board, scores, page in with_pages])
    else:
        click.echo(to_csv(tidy(with_pages)), nl=False)
