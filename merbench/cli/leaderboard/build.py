"""``merbench leaderboard build``: a folder of boards from a store."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from merbench.cli.session import Session, say


@click.command("build")
@click.option("--store", type=click.Path(path_type=Path), envvar="MERBENCH_STORE", default="runs", show_default=True)
@click.option("--out", type=click.Path(path_type=Path), default="leaderboards", show_default=True, help="Written anew, track by track.")
@click.option("--dataset", help="Only this data set.")
@click.option("--track", help="Only tracks whose title holds this, such as folds.")
@click.option(
    "--extra", "extras", multiple=True, type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="What merbench generalise --json or merbench robust --json printed (repeatable).",
)  # fmt: skip
@click.pass_obj
def command(session: Session, store: Path, out: Path, dataset: str | None, track: str | None, extras: tuple[Path, ...]) -> None:
    """Write records, predictions, scores, tables, pictures and pages of every track; open OUT/index.html in a browser.

    Labels and transcripts are not written. Building twice from the same runs changes no byte.

    \b
    Example: merbench leaderboard build --store runs --out leaderboards
             merbench leaderboard build --dataset mosi --extra generalise.json
    """
    from merbench.cli.leaderboard.boards import from_store
    from merbench.cli.leaderboard.render import render
    from merbench.report.folder import folder_names, write

    source, made = from_store(session, store, dataset, track)
    told = [_extra(path) for path in extras]
    for name, (board, scores) in zip(folder_names([board.track for board, _ in made]), made, strict=True):
        mine = {kind: value for kind, value in told if value["track"] == board.track.model_dump(mode="json")}
        write(out / name, board, scores, source, mine)
        say(f"{out / name}: {sum(len(e.records) for e in board.entries)} runs in {len(board.entries)} rows")
    render(out)


def _extra(path: Path) -> tuple[str, dict[str, Any]]:
    """``generalise`` or ``robust``, by what stands in it."""
    import json

    from merbench.api.errors import RequestError

    try:
        told = json.loads(path.read_bytes())
        kind = "generalise" if "labels" in told else "robust"
        for key in ("track", *(("test",) if kind == "generalise" else ("lines", "curves"))):
            told[key]
    except (ValueError, KeyError, TypeError) as error:
        raise RequestError(f"--extra {path} is no output of merbench generalise --json or merbench robust --json") from error
    return kind, told
