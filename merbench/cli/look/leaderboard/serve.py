"""``merbench leaderboard serve``: a store in the browser while a study runs."""

from __future__ import annotations

from pathlib import Path

import click

from merbench.cli.shared.options import ONLY_DATASET, ONLY_TRACK, STORE
from merbench.cli.shared.output import say
from merbench.cli.shared.session import Session


@click.command("serve")
@STORE
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    help="The address to listen on. Any but loopback lets other machines read.",
)
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=8321,
    show_default=True,
    help="The port; 0: any free one.",
)
@click.option(
    "--allow-host",
    multiple=True,
    metavar="NAME",
    help="Another host name that browsers may use for the page.",
)
@ONLY_DATASET
@ONLY_TRACK
@click.pass_obj
def command(
    session: Session,
    store: Path,
    host: str,
    port: int,
    allow_host: tuple[str, ...],
    dataset: str | None,
    track: str | None,
) -> None:
    """Show the boards of a store in the browser, with the progress of running runs; the page
    refreshes itself when a run has ended.

    Nothing is written to the store. Ctrl-C ends it.

    \b
    Example: merbench leaderboard serve --store runs
             merbench leaderboard serve --port 0 --dataset mosi
    """
    from merbench.functions.look.serve import opened

    with opened(session.catalog, store, host, port, allow_host, dataset, track) as server:
        say(f"{server.url} shows {store}; Ctrl-C ends it")
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            say("ended")
