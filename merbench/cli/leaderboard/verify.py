"""``merbench leaderboard verify``: is a folder of boards what it says?"""

from __future__ import annotations

from pathlib import Path

import click

from merbench.cli.session import Session, say


@click.command("verify")
@click.argument("folder", type=click.Path(path_type=Path), default="leaderboards")
@click.option("--data", type=click.Path(path_type=Path), help="Where data sets lie (also MERBENCH_DATA).")
@click.pass_obj
def command(session: Session, folder: Path, data: Path | None) -> None:
    """Compute every number of FOLDER again from its predictions and your own labels, and check the rules that its runs must keep.

    Checked: content of the data, run ids, split sizes, metrics, seeds, selection on validation rows, test rows read last, scores, tables,
    pages. Each failure is told with its file; then the exit code is 1.

    \b
    Example: merbench leaderboard verify leaderboards
             merbench leaderboard verify contribution --data ../data
    """
    from merbench.api.errors import DataError
    from merbench.cli.leaderboard.truth import truth_of
    from merbench.report.folder import read, tracks
    from merbench.report.verify import verify

    failed = 0
    for path in tracks(folder):
        try:
            held = read(path)
            board = held.board
        except DataError as error:
            click.echo(f"{path}: {error}")
            failed += 1
            continue
        found = verify(held, truth_of(session, board.track, data))
        for failure in found:
            click.echo(f"{failure.file}: {failure.sentence}")
        failed += len(found)
        say(f"{path}: {len(held.records)} runs in {len(board.entries)} rows, {'nothing wrong' if not found else f'{len(found)} failures'}")
    raise SystemExit(1 if failed else 0)
