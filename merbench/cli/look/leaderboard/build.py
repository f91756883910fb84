"""``merbench leaderboard build``: a folder of boards from a store."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from merbench.cli.shared.completion import complete_dataset
from merbench.cli.shared.output import say
from merbench.cli.shared.session import Session


@click.command("build")
@click.option(
    "--store",
    type=click.Path(path_type=Path),
    envvar="MERBENCH_STORE",
    default="runs",
    show_default=True,
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    default="leaderboards",
    show_default=True,
    help="Written anew, track by track.",
)
@click.option("--dataset", shell_complete=complete_dataset, help="Only this data set.")
@click.option("--track", help="Only tracks whose title holds this, such as folds.")
@click.option(
    "--extra",
    "extras",
    multiple=True,
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="What merbench generalise --json or merbench robust --json printed (repeatable).",
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
    Runs that merbench leaderboard verify would reject are refused, before anything is written.

    \b
    Example: merbench leaderboard build --store runs --out leaderboards
             merbench leaderboard build --dataset mosi --extra generalise.json
    """
    from merbench.api.errors import RequestError
    from merbench.cli.look.leaderboard.boards import from_store, tracks_of
    from merbench.cli.look.leaderboard.rejected import refuse_rejected, refuse_unexplained
    from merbench.cli.look.leaderboard.render import render
    from merbench.data.join import JOIN
    from merbench.report.folder.names import existing_tracks, folder_names
    from merbench.report.folder.write import write

    source, scored_boards = from_store(session, store, dataset, track)
    every, existing = tracks_of(source), existing_tracks(out)
    named_boards = list(zip(folder_names(every, existing), every, strict=True))
    placed = []
    for board, scores in scored_boards:
        if JOIN in board.track.dataset:
            say(
                f"left out: {board.title}: "
                "its data set was joined for these runs alone, so that nobody could verify them"
            )
            continue
        place = out / next(name for name, candidate in named_boards if candidate == board.track)
        if place.exists() and existing.get(place.name) != board.track:
            raise RequestError(
                f"{place} holds no runs of the track {board.title}; "
                "choose another --out, or remove that folder"
            )
        refuse_unexplained(place, board)
        placed.append((place, board, scores))
    extra_results = [_extra(path) for path in extras]
    tracks = [board.track.model_dump(mode="json") for _, board, _ in placed]
    for path, (_, value) in zip(extras, extra_results, strict=True):
        if value["track"] not in tracks:
            raise RequestError(
                f"--extra {path} is of no track that is built here; "
                "run the command that printed it again on the same data"
            )
    if not unchecked:
        refuse_rejected(session, source, [(place, board) for place, board, _ in placed])
    for (place, board, scores), board_tracks in zip(placed, tracks, strict=True):
        write(
            place,
            board,
            scores,
            source,
            {kind: value for kind, value in extra_results if value["track"] == board_tracks},
        )
        say(
            f"{place}: {sum(len(e.records) for e in board.entries)} runs in "
            f"{len(board.entries)} rows"
        )
    render(out)


def _extra(path: Path) -> tuple[str, dict[str, Any]]:
    """``generalise`` or ``robust``, by what stands in it."""
    import json

    from merbench.api.errors import RequestError
    from merbench.results.records.sealed import read_file

    try:
        result = json.loads(read_file(path))
        kind = "generalise" if "labels" in result else "robust"
        for key in ("track", *(("test",) if kind == "generalise" else ("lines", "curves"))):
            result[key]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise RequestError(
            f"--extra {path} is no output of merbench generalise --json or merbench robust --json"
        ) from error
    return kind, result
