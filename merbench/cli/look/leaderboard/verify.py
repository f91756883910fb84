"""``merbench leaderboard verify``: a folder of boards recomputed and checked."""

from __future__ import annotations

from pathlib import Path

import click

from merbench.cli.shared.output import say
from merbench.cli.shared.session import Session


@click.command("verify")
@click.argument("folder", type=click.Path(path_type=Path), default="leaderboards")
@click.option(
    "--data", type=click.Path(path_type=Path), help="Where data sets lie (also MERBENCH_DATA)."
)
@click.pass_obj
def command(session: Session, folder: Path, data: Path | None) -> None:
    """Compute every number of FOLDER again from its predictions and your own labels, and check the
    rules that its runs must keep.

    Checked: content of the data, run ids, split sizes, metrics, seeds, thresholds, selection on
    validation rows, test rows read last, scores, tables, pictures, pages, and that no row is left
    out which FOLDER/studies/*.toml names. Each failure is reported with its file; exit code 1.
    A board whose data set is not here is not checked: where nothing else is wrong, the exit code
    is 2.

    \b
    Example: merbench leaderboard verify leaderboards
             merbench leaderboard verify contribution --data ../data
    """
    from merbench.api.errors import DataError, MerbenchError
    from merbench.bench.truth import corpus_of, truth_of
    from merbench.cli.look.leaderboard.studies import left_out
    from merbench.report.folder.read import read, titled, tracks
    from merbench.report.verify.board import verify
    from merbench.report.verify.drawn import verify_index
    from merbench.report.verify.failure import Failure

    failed, unchecked, complete = 0, 0, []

    def tell(failures: list[Failure]) -> None:
        nonlocal failed
        failed += len(failures)
        for failure in failures:
            click.echo(f"{failure.file}: {failure.sentence}")

    paths = tracks(folder)
    for path in paths:
        try:
            board_folder = read(path)
            board_folder.board  # noqa: B018 - that there is one
        except DataError as error:
            tell([Failure(path, str(error))])
            continue
        complete.append(board_folder)
    try:
        complete = titled(complete)
    except DataError as error:
        tell([Failure(folder, str(error))])
    for board_folder in complete:
        path, board = board_folder.path, board_folder.board
        try:
            corpus = corpus_of(lambda name: session.dataset(name, data), board.track)
        except MerbenchError as error:
            say(f"{path}: not checked: {error}")
            unchecked += 1
            continue
        try:
            faults = verify(board_folder, truth_of(session.catalog, corpus, board.track))
        except DataError as error:
            faults = [Failure(path, str(error))]
        tell(faults)
        say(
            f"{path}: {len(board_folder.records)} runs in {len(board.entries)} rows, "
            f"{'nothing wrong' if not faults else f'{len(faults)} failures'}"
        )
    if len(complete) == len(paths):
        tell(verify_index(folder, complete))
    named_boards = [(of_track.path.name, of_track.board) for of_track in complete]
    tell(list(left_out(session, sorted(folder.glob("studies/*.toml")), data, named_boards)))
    raise SystemExit(1 if failed else 2 if unchecked else 0)
