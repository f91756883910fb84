"""``merbench store``: folders of runs."""

from __future__ import annotations

from pathlib import Path

import click

from merbench.cli.shared.groups import FullHelpGroup
from merbench.cli.shared.named_path import NamedPath
from merbench.cli.shared.output import say, show_json


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
    """Copy the runs of other stores, with predictions and weights, after checking each.

    Existing runs stay. A run that both have with other results is reported and left as it is,
    and so is one that is not whole: then the exit code is 1.

    \b
    Example: merbench store merge laptop/runs cluster/runs --into runs
    """
    from rich.markup import escape
    from rich.progress import track

    from merbench.results.store.merge import Merged
    from merbench.results.store.merge import merge as merged
    from merbench.results.store.store import Store
    from merbench.terminal.console import console

    target = Store(into)
    target.require_writable()
    progress = console(stderr=True)
    merges: list[tuple[Path, Merged]] = []
    for source in stores:
        runs = len(list((source / "runs").glob("*.json")))
        shown = track(
            merged(source, target),
            escape(str(source)),
            runs,
            console=progress,
            transient=True,
            disable=not progress.is_terminal,
        )
        for run in shown:
            merges.append((source, run))
            if run.why:
                say(f"{run.how}: run {run.run_id} of {source}: {run.why}")
    counts = {
        outcome: sum(run.how == outcome for _, run in merges)
        for outcome in ("copied", "there", "conflict", "refused")
    }
    if as_json:
        rows = [
            {"store": str(source), "run_id": run.run_id, "how": run.how, "why": run.why}
            for source, run in merges
        ]
        show_json({**counts, "runs": rows})
    else:
        click.echo(", ".join(f"{n} {word}" for word, n in counts.items()))
    raise SystemExit(1 if counts["conflict"] or counts["refused"] else 0)
