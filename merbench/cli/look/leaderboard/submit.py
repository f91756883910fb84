"""``merbench leaderboard submit``: pack runs as a contribution."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from merbench.api.plural import count_of
from merbench.cli.shared.named_path import NamedPath
from merbench.cli.shared.options import STORE
from merbench.cli.shared.output import say
from merbench.cli.shared.session import Session

if TYPE_CHECKING:
    from merbench.report.scores.board.board_scores import BoardScores
    from merbench.report.scores.rows.entries import Board, Entry
    from merbench.report.scores.runs_of_a_store import Source

BOARDS = Path("leaderboards")
LAST = "README.md"
"""The file that is written last."""
README = """# Runs for the merbench leaderboards

Copy each folder's `records/`, `predictions/` and (where there is one) `corrections/` into \
the folder of the same name in `{boards}/` (all of it where there is none). Draw
the boards again with `merbench leaderboard render {boards} --rescore`, check with \
`merbench leaderboard verify {boards}`, and open
a pull request.

{folders}
"""


@click.command("submit")
@click.argument("runs", nargs=-1, required=True, metavar="RUN...")
@STORE
@click.option("--out", type=NamedPath(), required=True, help="A new folder.")
@click.option(
    "--boards",
    type=NamedPath(),
    help="The built boards that the runs are for; their folders keep their names.  "
    "[default: leaderboards]",
)
@click.pass_obj
def command(
    session: Session, runs: tuple[str, ...], store: Path, out: Path, boards: Path | None
) -> None:
    """Pack runs, each RUN a row of merbench leaderboard by name, or a run by its id or a file of it
    in the store, as a folder to contribute: records and predictions.

    A row is packed whole, with every seed and fold that the store has. Labels and transcripts are
    not packed.

    \b
    Example: merbench leaderboard submit merclip "merclip no-label-encoder" --out contribution
    """
    from merbench.api.errors import RequestError
    from merbench.cli.look.leaderboard.boards import from_store
    from merbench.cli.look.leaderboard.render import render
    from merbench.report.folder.names import existing_tracks, folder_of_tracks
    from merbench.results.files import remove, write_atomic
    from merbench.results.store.run_names import as_run_ids
    from merbench.results.store.store import Store

    if out.exists() and not _is_unfinished(out):
        raise RequestError(f"--out {out} exists already; choose a new folder")
    read = from_store(session, store)
    run_ids = [as_run_ids(Store(store), run) for run in runs]
    chosen = _chosen_rows(run_ids, [board for board, _ in read.scored])
    existing = existing_tracks(boards or BOARDS)
    if boards and not existing:
        raise RequestError(
            f"--boards {boards} holds no boards; name the folder that the runs are for, or leave "
            "it out"
        )
    folder_of = folder_of_tracks(read.tracks, existing)
    remove(out)
    folders = []
    try:
        for board, scores in read.scored:
            packed = tuple(e for e in board.entries if (board.title, e.name) in chosen)
            if not packed:
                continue
            _require_whole_seeds(packed, board)
            name = folder_of(board.track)
            state = "there already" if name in existing else "new"
            folders.append(f"- `{name}` ({state}): {board.title}")
            _pack(session, out / name, board, packed, scores, read.source)
        render(out)
        readme = README.format(boards=(boards or BOARDS).name, folders="\n".join(folders))
        write_atomic(out / LAST, readme.encode())
    except BaseException:
        shutil.rmtree(out, ignore_errors=True)  # the same command wants a new folder again
        raise
    say(
        f"{out / LAST} says how to open a pull request with them; "
        f"merbench leaderboard verify {out} checks them"
    )


def _is_unfinished(out: Path) -> bool:
    """True for a folder that a killed call has left."""
    from merbench.report.folder.written_files import others

    is_folder = out.is_dir() and not out.is_symlink()
    return is_folder and not (out / LAST).exists() and not others(out)


def _chosen_rows(runs: Sequence[str], boards: Sequence[Board]) -> set[tuple[str, str]]:
    """``(title of the board, name of the row)`` of what ``runs`` (run ids or rows) name: of a name
    the rows of every board that has one, of a run those that it is in.
    """
    from merbench.api.errors import RequestError
    from merbench.data.joined_train_rows import JOIN
    from merbench.report.scores.missing_runs import no_row
    from merbench.report.scores.rows.entries import rows_named

    entries = [e for board in boards for e in board.entries]
    rows_of_run: dict[str, set[tuple[str, str]]] = {}
    for board in boards:
        for entry in board.entries:
            for record in entry.records:
                rows_of_run.setdefault(record.run_id, set()).add((board.title, entry.name))
    chosen = set[tuple[str, str]]()
    for run in runs:
        names = {e.name for e in rows_named(run, entries)}
        if run not in rows_of_run and len(names) != 1:
            raise RequestError(no_row(run, entries))
        chosen |= rows_of_run.get(run) or {
            (board.title, e.name) for board in boards for e in board.entries if e.name in names
        }
    on_joined_data = {b.title for b in boards if JOIN in b.track.dataset}
    for title, name in sorted(chosen):
        if title in on_joined_data:
            raise RequestError(
                f"{name} was trained on joined data sets, which is no track of the boards; "
                "leave it out"
            )
    return chosen


def _pack(
    session: Session,
    folder: Path,
    board: Board,
    packed: tuple[Entry, ...],
    scores: BoardScores,
    source: Source,
) -> None:
    """Write the ``packed`` rows of a board, and what they supersede, into ``folder``."""
    from merbench.report.folder.write import unwritten, write
    from merbench.report.scores.board.board_scores import score
    from merbench.report.scores.cache import Cache
    from merbench.report.scores.rows.entries import collect

    earlier = _superseded(packed, board.superseded)
    # Without the other rows of the board, a row may be called otherwise than beside them; the
    # scores are of the names under which the rows are read in this folder.
    (packed_alone,) = collect(
        [r for e in (*packed, *earlier) for r in e.records],
        scores.floors,
        registry=session.catalog.metrics,
        corrections=source.corrections(),
    )
    scores_alone = score(packed_alone, source, Cache(None), scores.optimum)
    packed_board = replace(board, entries=packed, superseded=earlier)
    write(unwritten(folder, packed_board, source), packed_board, scores_alone, {}, alone=True)
    runs = count_of(sum(len(e.records) for e in packed), "run")
    say(f"{folder}: {runs} in {count_of(len(packed), 'row')}")


def _require_whole_seeds(packed: Sequence[Entry], board: Board) -> None:
    """RequestError for a row that merbench leaderboard verify would reject for what it lacks."""
    from merbench.api.errors import RequestError
    from merbench.report.verify.seeds import unfinished_seeds

    for entry in packed:
        for sentence in unfinished_seeds(entry, board.fold_numbers):
            raise RequestError(
                f"{entry.name}: {sentence}; the same merbench run command makes what is missing"
            )


def _superseded(packed: Sequence[Entry], superseded: Sequence[Entry]) -> tuple[Entry, ...]:
    """What the packed rows supersede, and what these superseded before."""
    runs = {record.run_id for entry in packed for record in entry.records}
    chain: list[Entry] = []
    for entry in reversed(superseded):
        if entry.correction and runs & entry.correction.new.keys():
            chain.append(entry)
            runs |= {record.run_id for record in entry.records}
    return tuple(reversed(chain))
