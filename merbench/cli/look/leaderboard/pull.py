"""``merbench leaderboard pull``: runs of others, verified and put into your own store."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from merbench.cli.shared.merged_rows import Rows, counts_of, exit_code, show_counts
from merbench.cli.shared.options import DATA, JSON, store_option
from merbench.cli.shared.output import say, show_json
from merbench.cli.shared.session import Session

if TYPE_CHECKING:
    from merbench.results.store.store import Store

SHOWN = 5
"""So many sentences of what was refused or is missing are printed; --json has them all."""


@click.command("pull")
@click.argument("source", metavar="FOLDER|ZIP|URL")
@store_option("The store to copy into.")
@DATA
@JSON
@click.pass_obj
def command(session: Session, source: str, store: Path, data: Path | None, as_json: bool) -> None:
    """Take the runs of boards, of one of them, of a contribution or of a store (then its searches
    too), and put them into your own.

    Each run is verified with your own copy of the data set first. What the store has done stays: a
    run that both have with other results is named. Then it reports what the source's studies name
    and the store still lacks, with the command that makes only that. Exit code 1 where a run was
    refused or differs.

    \b
    Example: merbench leaderboard pull leaderboards --store runs
             merbench leaderboard pull leaderboards/mosi-sentiment-standard
             merbench leaderboard pull https://example.org/boards.zip
    """
    from merbench.functions.look.pull import pulled
    from merbench.functions.look.pull_source import opened_source
    from merbench.results.store.store import Store

    target = Store(store)
    target.require_writable()
    with opened_source(source) as folder:
        load = lambda name: session.dataset(name, data)  # noqa: E731
        rows = [asdict(merged) for merged in pulled(folder, target, session.catalog, load)]
        studies = _studies(folder, source, target)
    missing = _missing(session, studies, data, target)
    _show(rows, missing, store, as_json)
    raise SystemExit(exit_code(rows))


def _studies(folder: Path, source: str, into: Store) -> list[Path]:
    """The study files of the source; of a zip kept in the store, where later commands find them."""
    from merbench.results.files import write_atomic

    files = sorted(folder.glob("studies/*.toml"))
    if Path(source).is_dir():
        return files
    studies = []
    for file in files:
        target = into.root / "studies" / file.name
        if not target.exists():
            write_atomic(target, file.read_bytes())
        if target.read_bytes() == file.read_bytes():
            studies.append(target)
        else:
            say(f"{target} is another study than the one pulled, and is kept as it is")
    return studies


def _missing(
    session: Session, studies: Sequence[Path], data: Path | None, target: Store
) -> dict[Path, list[str]]:
    """Study -> what it names and the store lacks."""
    from merbench.bench.boards import boards_of
    from merbench.cli.look.leaderboard.studies import left_out
    from merbench.report.scores.runs_of_a_store import StoreSource

    if not studies:
        return {}
    source = StoreSource(target)
    boards = boards_of(session.catalog, source, source.records())
    named_boards = [(board.track.title, board) for board in boards]
    missing: dict[Path, list[str]] = {}
    for failure in left_out(session, studies, data, named_boards):
        missing.setdefault(failure.file, []).append(failure.sentence)
    return missing


def _show(rows: Rows, missing: dict[Path, list[str]], store: Path, as_json: bool) -> None:
    runs = [row for row in rows if "run_id" in row]
    searches = [row for row in rows if "search" in row]
    if as_json:
        lacking = {str(file): sentences for file, sentences in missing.items()}
        show_json({**counts_of(runs), "runs": runs, "searches": searches, "missing": lacking})
        return
    sentences = [
        f"{row['how']}: {row.get('run_id') or row['search']}: {row['why']}"
        for row in rows
        if row["why"]
    ]
    _say_all(sentences)
    show_counts(runs, searches)
    for file, sentences in missing.items():
        _say_all([f"missing: {sentence}" for sentence in sentences])
        words = ["merbench", "study", "run", str(file), "--store", str(store)]
        click.echo(f"{shlex.join(words)} runs only what is missing")


def _say_all(sentences: Sequence[str]) -> None:
    for sentence in sentences[:SHOWN]:
        say(sentence)
    if len(sentences) > SHOWN:
        say(f"and {len(sentences) - SHOWN} more (--json)")
