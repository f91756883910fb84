"""``merbench store``: folders of runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from merbench.cli.shared.groups import FullHelpGroup
from merbench.cli.shared.named_path import NamedPath
from merbench.cli.shared.output import say, show_json

if TYPE_CHECKING:
    from merbench.results.store.merge import Merged
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
@click.option(
    "--json", "as_json", is_flag=True, help="One JSON object on stdout, and nothing else there."
)
def merge(stores: tuple[Path, ...], into: Path, as_json: bool) -> None:
    """Copy the runs of other stores, with predictions and weights, after checking each; and their
    searches, which continue here where they ended there.

    Existing runs stay. A run that both have with other results is reported and left as it is,
    and so is one that is not whole, and a search that went on in both: then the exit code is 1.

    \b
    Example: merbench store merge laptop/runs cluster/runs --into runs
    """
    from rich.markup import escape
    from rich.progress import track

    from merbench.results.store.merge import merge as merged
    from merbench.results.store.store import Store
    from merbench.terminal.console import console
    from merbench.tuning.merge import merge_searches

    target = Store(into)
    target.require_writable()
    progress = console(stderr=True)
    runs: list[tuple[Path, Merged]] = []
    searches: list[tuple[Path, MergedSearch]] = []
    for source in stores:
        shown = track(
            merged(source, target),
            escape(str(source)),
            len(list((source / "runs").glob("*.json"))),
            console=progress,
            transient=True,
            disable=not progress.is_terminal,
        )
        for run in shown:
            runs.append((source, run))
            if run.why:
                say(f"{run.how}: run {run.run_id} of {source}: {run.why}")
        for search in merge_searches(source, into):
            searches.append((source, search))
            if search.why:
                say(f"{search.how}: search {search.search} of {source}: {search.why}")
    counts, counts_of_searches = _counts(runs), _counts(searches)
    if as_json:
        show_json(
            {
                **counts,
                "runs": [_row(source, run) for source, run in runs],
                "searches": [_row(source, search) for source, search in searches],
            }
        )
    else:
        click.echo(_listed(counts))
        if searches:
            click.echo(f"searches: {_listed(counts_of_searches)}")
    failed = ("conflict", "refused")
    raise SystemExit(any(counts[how] or counts_of_searches[how] for how in failed))


def _counts(merges: Sequence[tuple[Path, Merged | MergedSearch]]) -> dict[str, int]:
    return {
        outcome: sum(merged.how == outcome for _, merged in merges)
        for outcome in ("copied", "there", "conflict", "refused")
    }


def _listed(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{n} {outcome}" for outcome, n in counts.items())


def _row(source: Path, merged: Merged | MergedSearch) -> dict[str, str]:
    return {"store": str(source), **asdict(merged)}
