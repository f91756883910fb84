"""``merbench leaderboard``: the tables of a store, one a track; its subcommands build, draw, check
and extend a folder of boards.
"""

from __future__ import annotations

from pathlib import Path

import click

from merbench.api.errors import RequestError
from merbench.cli.shared.completion import complete_dataset
from merbench.cli.shared.groups import LazyGroup
from merbench.cli.shared.options import typed
from merbench.cli.shared.output import room, show, show_json
from merbench.cli.shared.session import Session

FORMATS = ("text", "md", "csv", "latex", "html", "json")
SUBCOMMANDS = (
    *("build", "render", "verify", "submit", "supersede"),
    *("export", "pull", "serve"),
)
ALWAYS_IN = {
    "html": ("all_metrics", "intervals", "ablations", "claims"),
    "csv": ("all_metrics", "intervals"),
}
"""Format -> options that have no effect on it."""


@click.group(
    "leaderboard",
    cls=LazyGroup,
    package="merbench.cli.look.leaderboard",
    names=SUBCOMMANDS,
    invoke_without_command=True,
)
@click.option("--dataset", shell_complete=complete_dataset, help="Only this data set.")
@click.option("--track", help="Only tracks whose title holds this, such as folds.")
@click.option("--format", "form", type=click.Choice(FORMATS), default="text", show_default=True)
@click.option(
    "--all-metrics", is_flag=True, help="Every metric of the task, not the headline ones alone."
)
@click.option("--intervals", is_flag=True, help="95 % intervals in every cell.")
@click.option("--ablations", is_flag=True, help="Ablations too.")
@click.option("--claims", is_flag=True, help="What papers and other repositories claim, too.")
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
@click.pass_context
def command(
    ctx: click.Context,
    dataset: str | None,
    track: str | None,
    form: str,
    all_metrics: bool,
    intervals: bool,
    ablations: bool,
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
    typed_options = typed(ctx)
    if name := ctx.invoked_subcommand:
        for option in typed_options.values():
            raise RequestError(
                f"{option} before {name} has no effect; give the options of {name} after its name"
            )
        return
    for option in ALWAYS_IN.get(form, ()):
        if option in typed_options:
            raise RequestError(
                f"--format {form} always has these; leave {typed_options[option]} out"
            )
    from merbench.cli.look.leaderboard.boards import from_folder, from_store
    from merbench.report.site.board_page.page import board_page
    from merbench.report.tables.latex import to_latex
    from merbench.report.tables.sheet import as_json, sheet
    from merbench.report.tables.table import to_markdown
    from merbench.report.tables.terminal import table
    from merbench.report.tables.tidy import tidy, to_csv

    session: Session = ctx.obj
    scored_boards = (
        from_folder(boards, dataset, track)
        if boards
        else from_store(session, store, dataset, track)[1]
    )
    sheets = [
        sheet(
            board,
            scores,
            every_metric=all_metrics,
            ablations=ablations,
            intervals=intervals,
            claims=claims,
            superseded=form in ("json", "csv"),
        )
        for board, scores in scored_boards
    ]
    if form == "html":
        if len(scored_boards) > 1:
            raise RequestError(
                f"--format html is one page, and there are {len(scored_boards)} tracks; "
                "choose with --dataset and --track, or build"
            )
        click.echo(board_page(*scored_boards[0], {}))
        return
    if form == "json":
        show_json(
            [
                as_json(board, scores, page)
                for (board, scores), page in zip(scored_boards, sheets, strict=True)
            ]
        )
        return
    if form == "csv":
        pages = [(*scored, page) for scored, page in zip(scored_boards, sheets, strict=True)]
        click.echo(to_csv(tidy(pages)), nl=False)
        return
    for page in sheets:
        if form not in ("md", "latex") and page is not sheets[0]:
            click.echo()
        if form == "md":
            click.echo(to_markdown(page.title, page.columns, page.rows, notes=page.notes))
        elif form == "latex":
            click.echo(to_latex(page.title, page.columns, page.rows, notes=page.notes))
        else:
            show(table(page.title, page.columns, page.rows, notes=page.notes, width=room()))
