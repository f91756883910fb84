"""``merbench leaderboard build``: a folder of boards from a store."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from merbench.api.plural import count_of
from merbench.cli.shared.named_path import NamedPath
from merbench.cli.shared.options import ONLY_DATASET, ONLY_TRACK, STORE
from merbench.cli.shared.output import say
from merbench.cli.shared.session import Session

if TYPE_CHECKING:
    from merbench.report.scores.rows.entries import Board
    from merbench.results.records.record import Track


@click.command("build")
@STORE
@click.option(
    "--out",
    type=NamedPath(file_okay=False),
    default="leaderboards",
    show_default=True,
    help="Written anew, track by track.",
)
@ONLY_DATASET
@ONLY_TRACK
@click.option(
    "--extra",
    "extras",
    multiple=True,
    type=NamedPath(exists=True, dir_okay=False),
    help="What merbench generalise --json or merbench robust --json printed (repeatable). "
    "What an earlier build was given stays until another takes its place.",
)
@click.option(
    "--unchecked",
    is_flag=True,
    help="Build also what merbench leaderboard verify rejects.",
)
@click.pass_obj
def command(
    session: Session,
    store: Path,
    out: Path,
    dataset: str | None,
    track: str | None,
    extras: tuple[Path, ...],
    unchecked: bool,
) -> None:
    """Write records, predictions, scores, tables, pictures and pages of every track; open
    OUT/index.html in a browser.

    Labels and transcripts are not written. Building twice from the same runs changes no byte.
    Rows of which a seed failed or has not finished are left out. Runs that merbench leaderboard
    verify would reject are refused, before anything is written, and so is a store that lacks what
    OUT publishes of a track.

    \b
    Example: merbench leaderboard build --store runs --out leaderboards
             merbench leaderboard build --dataset mosi --extra generalise.json
    """
    from merbench.cli.look.leaderboard.boards import from_store
    from merbench.cli.look.leaderboard.rejected import refuse_rejected, refuse_unexplained
    from merbench.cli.look.leaderboard.render import render
    from merbench.data.joined_train_rows import JOIN
    from merbench.report.folder.analysis_files import EXTRAS
    from merbench.report.folder.read import read_extras
    from merbench.report.folder.write import unwritten, write

    read = from_store(session, store, dataset, track, whole_rows=not unchecked)
    folder_of = _folders(out, read.tracks)
    planned = []
    for board, scores in read.scored:
        if JOIN in board.track.dataset:
            say(
                f"left out: {board.title}: "
                "its data set was joined for these runs alone, so that nobody could verify them"
            )
            continue
        folder = unwritten(folder_of(board), board, read.source)
        refuse_unexplained(folder)
        planned.append((folder, board, scores))
    new_by_board = _extras(extras, [board.track for _, board, _ in planned])
    extras_by_track = [
        read_extras(folder.path, EXTRAS.keys() - new) | new
        for (folder, _, _), new in zip(planned, new_by_board, strict=True)
    ]
    if not unchecked:
        refuse_rejected(session, [(folder, board) for folder, board, _ in planned])
    written = {}
    for (folder, board, scores), board_extras in zip(planned, extras_by_track, strict=True):
        written[folder.path] = write(folder, board, scores, board_extras)
        runs = count_of(sum(len(e.records) for e in board.entries), "run")
        say(f"{folder.path}: {runs} in {count_of(len(board.entries), 'row')}")
    render(out, written)


def _folders(out: Path, tracks: Sequence[Track]) -> Callable[[Board], Path]:
    """The folder of a board in ``out``. RequestError where another track lies there."""
    from merbench.api.errors import RequestError
    from merbench.report.folder.names import existing_tracks, folder_of_tracks
    from merbench.report.folder.written_files import is_unfinished

    existing = existing_tracks(out)
    name_of = folder_of_tracks(tracks, existing)

    def folder_of(board: Board) -> Path:
        folder = out / name_of(board.track)
        is_taken = folder.exists() and existing.get(folder.name) != board.track
        if is_taken and (folder.name in existing or not is_unfinished(folder)):
            raise RequestError(
                f"{folder} holds no runs of the track {board.title}; "
                "choose another --out, or remove that folder"
            )
        return folder

    return folder_of


def _extras(paths: Sequence[Path], tracks: Sequence[Track]) -> list[dict[str, Any]]:
    """Kind -> content of the --extra files of each track."""
    from merbench.api.errors import RequestError

    results = [_extra(path) for path in paths]
    tracks_json = [track.model_dump(mode="json") for track in tracks]
    for path, (_, result) in zip(paths, results, strict=True):
        if result["track"] not in tracks_json:
            raise RequestError(
                f"--extra {path} is of no track that is built here; "
                "run the command that printed it again on the same data"
            )
    for place, (kind, result) in enumerate(results):
        for path, (earlier_kind, earlier) in zip(paths, results[:place], strict=False):
            if (kind, result["track"]) == (earlier_kind, earlier["track"]):
                raise RequestError(
                    f"--extra {path} and {paths[place]} are both of {kind} on one track, which has "
                    "one of them; give one, of all models that it is to show"
                )
    return [
        {kind: result for kind, result in results if result["track"] == track_json}
        for track_json in tracks_json
    ]


def _extra(path: Path) -> tuple[str, dict[str, Any]]:
    """``generalise`` or ``robust``, by its keys."""
    from merbench.api.errors import RequestError
    from merbench.report.folder.analysis_files import checked
    from merbench.report.folder.packed import strict
    from merbench.results.records.sealed import read_file

    try:
        result = strict(read_file(path))
        kind = "generalise" if "labels" in result else "robust"
        return kind, checked(kind, result)
    except (ValueError, TypeError, RecursionError) as error:
        raise RequestError(
            f"--extra {path} is no output of merbench generalise --json or merbench robust --json"
        ) from error
