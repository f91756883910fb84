"""``merbench data cache``: what frozen encoders and drawn boards left in the cache, and room made
in it.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from merbench.api.errors import RequestError
from merbench.api.plural import count_of
from merbench.bench.score_cache import PICTURES
from merbench.cli.shared.completion import complete_dataset
from merbench.cli.shared.groups import FullHelpGroup
from merbench.cli.shared.options import JSON
from merbench.cli.shared.output import plain_table, say, show, show_json

if TYPE_CHECKING:
    from merbench.data.encoder_cache.entry import Entry


@click.group("cache", cls=FullHelpGroup)
def command() -> None:
    """Outputs of frozen encoders and pictures of boards on this machine. All of it can be deleted:
    what a command lacks is made again.

    \b
    Example: merbench data cache list
             merbench data cache clear --dataset mosi
    """


@command.command("list")
@JSON
def list_(as_json: bool) -> None:
    """Every entry with its size, the pictures of boards, and the cache's folder (MERBENCH_CACHE).

    \b
    Example: merbench data cache list
    """
    from merbench.data.encoder_cache.cache import Cache, cache_home

    cache = Cache(cache_home(os.environ))
    entries = list(cache.entries())
    pictures = _pictures(cache.root)
    if as_json:
        rows = [
            {"key": key, "bytes_on_disk": size, "entry": e and e.model_dump(mode="json")}
            for key, e, size in entries
        ]
        show_json(
            {
                "cache": str(cache.root),
                "bytes": sum(size for _, _, size in entries),
                "entries": rows,
                "pictures": {"files": len(pictures), "bytes": sum(pictures.values())},
            }
        )
        return
    texts, numbers = ("key", "data set", "stream", "encoder"), ("rows", "steps", "width", "MB")
    table = plain_table(left=texts, right=numbers)
    for key, e, size in entries:
        cells = (
            (e.dataset, e.stream, e.encoder, f"{e.rows:,}", f"{e.steps:,}", str(e.width))
            if e
            else ("not finished", *[""] * 5)
        )
        table.add_row(key[:12], *cells, f"{size / 1e6:,.1f}")
    show(table)
    say(
        f"{sum(size for _, _, size in entries) / 1e6:,.1f} MB in {cache.root}, beside "
        f"{count_of(len(pictures), 'picture')} of boards ({sum(pictures.values()) / 1e6:,.1f} MB)"
    )


@command.command("clear")
@click.argument("keys", nargs=-1, metavar="[KEY...]")
@click.option(
    "--dataset",
    shell_complete=complete_dataset,
    help="Only what was made for this data set.",
)
@click.option("--encoder", help="Only what this encoder made.")
def clear(keys: tuple[str, ...], dataset: str | None, encoder: str | None) -> None:
    """Delete entries: those whose keys begin so, those of a data set or an encoder, or all, and
    with all of them the pictures of boards. One that is being filled is left alone.

    \b
    Example: merbench data cache clear --encoder clip-image
    """
    from merbench.data.encoder_cache.cache import Cache, cache_home

    cache = Cache(cache_home(os.environ))
    entries = list(cache.entries())
    for key in keys:
        if not any(name.startswith(key) for name, _, _ in entries):
            raise RequestError(
                f"no entry's key begins with {key!r}; "
                f"merbench data cache list shows those in {cache.root}"
            )
    freed, busy = 0, 0
    for name, entry, size in entries:
        is_chosen = not keys or name.startswith(keys)
        if dataset or encoder:  # an entry that is not finished does not say of which it is
            is_chosen &= entry is not None and _is_of(entry, dataset, encoder)
        if is_chosen:
            removed = cache.remove(name)
            freed, busy = freed + size * removed, busy + (not removed)
    if not (keys or dataset or encoder):
        for picture, size in _pictures(cache.root).items():
            picture.unlink(missing_ok=True)
            freed += size
    say(
        f"{freed / 1e6:,.1f} MB freed in {cache.root}"
        + (f"; {busy} left alone, being filled" if busy else "")
    )


def _is_of(entry: Entry, dataset: str | None, encoder: str | None) -> bool:
    return (not dataset or entry.dataset == dataset) and (not encoder or entry.encoder == encoder)


def _pictures(cache: Path) -> dict[Path, int]:
    """Each picture of a board that is kept -> its bytes."""
    return {file: file.stat().st_size for file in (cache / PICTURES).glob("*.svg")}
