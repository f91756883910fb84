"""``merbench store``: folders of runs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from merbench.cli.shared.groups import FullHelpGroup
from merbench.cli.shared.merged_rows import counts_of, exit_code, show_counts
from merbench.cli.shared.named_path import NamedPath
from merbench.cli.shared.options import JSON
from merbench.cli.shared.output import say, show_json

if TYPE_CHECKING:
    from merbench.results.store.merge import Merged
    from merbench.results.store.store import Store
    from merbench.tuning.merge import MergedSearch


@click.group("store", cls=FullHelpGroup)
def command() -> None:
    """Folders of runs: bring together what was run on several machines.

    \b
    Example: merbench store merge laptop/runs cluster/runs --into runs
    """


@command.command()
@click.argument("stores", metavar="DIR...", type=NamedPath(), nargs=-1, required=True)
@click.option(
    "--into",
    type=NamedPath(),
    envvar="MERBENCH_STORE",
    default="runs",
    show_default=True,
    help="The store to copy into.",
)
@JSON
def merge(stores: tuple[Path, ...], into: Path, as_json: bool) -> None:
    """Copy the runs of other stores, with predictions and weights, after checking each; and their
    searches, which continue here where they ended there.

    Existing runs stay. A run that both have with other results is reported and left as it is, and
    so is one that is not whole: then the exit code is 1. Of a search that went on in both stores
    the finished trials of the other follow those here.

    \b
    Example: merbench store merge laptop/runs cluster/runs --into runs
    """
    from merbench.results.store.store import Store
    from merbench.tuning.merge import merge_searches

    target = Store(into)
    target.require_writable()
    runs: list[dict[str, str]] = []
    searches: list[dict[str, str]] = []
    for source in stores:
        runs += _rows("run", source, _merged_runs(source, target))
        searches += _rows("search", source, merge_searches(source, into))
    if as_json:
        show_json({**counts_of(runs), "runs": runs, "searches": searches})
    else:
        show_counts(runs, searches)
    raise SystemExit(exit_code([*runs, *searches]))


def _merged_runs(source: Path, target: Store) -> Iterable[Merged]:
    """Behind a bar at a terminal."""
    from rich.markup import escape
    from rich.progress import track

    from merbench.results.store.merge import merge
    from merbench.terminal.console import console

    progress = console(stderr=True)
    return track(
        merge(source, target),
        escape(str(source)),
        len(list((source / "runs").glob("*.json"))),
        console=progress,
        transient=True,
        disable=not progress.is_terminal,
    )


def _rows(
    word: str, source: Path, merges: Iterable[Merged | MergedSearch]
) -> Iterator[dict[str, str]]:
    """What became of each, as --json has it; what is worth knowing is said at once."""
    for merged in merges:
        row = asdict(merged)
        if merged.why:
            name = next(iter(row.values()))
            say(f"{merged.how}: {word} {name} of {source}: {merged.why}")
        yield {"store": str(source), **row}
