"""``merbench store``: folders of runs."""

from __future__ import annotations

from pathlib import Path

import click

from merbench.cli.shared.groups import FullHelpGroup
from merbench.cli.shared.output import say, show_json


@click.group("store", cls=FullHelpGroup)
def command() -> None:
    """Folders of runs: bring together what was run on several machines.

    \b
    Example: merbench store merge laptop/runs cluster/runs --into runs
    """


@command.command()
@click.argument(
    "stores", metavar="DIR...", type=click.Path(path_type=Path), nargs=-1, required=True
)
@click.option(
    "--into",
    type=click.Path(path_type=Path),
    envvar="MERBENCH_STORE",
    default="runs",
    show_default=True,
    help="The store that gets them.",
)
@click.option(
    "--json", "as_json", is_flag=True, help="One JSON object on stdout, and nothing else there."
)
def merge(stores: tuple[Path, ...], into: Path, as_json: bool) -> None:
    """Copy the runs of other stores, with predictions and weights, after checking each.

    What is there already stays. A run that both have with other results is named and left as it is,
    and so is one that is not whole: then the exit code is 1.

    \b
    Example: merbench store merge laptop/runs cluster/runs --into runs
    """
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import track

    from merbench.results.merge import Merged
    from merbench.results.merge import merge as merged
    from merbench.results.store import Store

    target = Store(into)
    target.require_writable()
    console = Console(stderr=True)
    found: list[tuple[Path, Merged]] = []
    for source in stores:
        runs = len(list((source / "runs").glob("*.json")))
        shown = track(
            merged(source, target),
            escape(str(source)),
            runs,
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        for one in shown:
            found.append((source, one))
            if one.why:
                say(f"{one.how}: run {one.run_id} of {source}: {one.why}")
    counts = {
        how: sum(one.how == how for _, one in found)
        for how in ("copied", "there", "conflict", "refused")
    }
    if as_json:
        rows = [
            {"store": str(source), "run_id": one.run_id, "how": one.how, "why": one.why}
            for source, one in found
        ]
        show_json({**counts, "runs": rows})
    else:
        click.echo(", ".join(f"{n} {word}" for word, n in counts.items()))
    raise SystemExit(1 if counts["conflict"] or counts["refused"] else 0)
