"""Plugins and data homes as a Python call finds them."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from merbench.api.events import Event, Note, Watch, ignore
from merbench.bench.one_thread_at_a_time import in_turn
from merbench.bench.options import RunOptions, options_of
from merbench.terminal.messages import say, say_note

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from merbench.bench.bench import Bench
    from merbench.host.catalog import Catalog


def catalog() -> Catalog:
    """Every plugin's declarations, read once a process. A broken plugin is one line on stderr."""
    with in_turn("reading plugins"):
        return _catalog()


@cache
def _catalog() -> Catalog:
    from merbench.host.catalog import Catalog
    from merbench.host.discovery import discover

    discovered = Catalog(discover())
    for warning in discovered.warnings:
        say(f"warning: {warning}")
    return discovered


def homes(data: str | Path | None) -> list[Path]:
    """Where data sets are looked for."""
    from merbench.data.home import data_homes

    return data_homes(None if data is None else Path(data), os.environ)


def open_bench(
    function: str, model: str, dataset: str | None, keywords: dict[str, Any]
) -> tuple[Bench, RunOptions]:
    """What the runs of a call of ``function`` share. RequestError for keywords that do not fit."""
    from merbench.bench.bench import Bench

    options = options_of(function, model, dataset, keywords)
    watch: Watch = keywords.get("watch") or ignore
    shows_progress: bool = keywords.get("progress", True)

    def watch_notes(event: Event) -> None:
        if shows_progress or (isinstance(event, Note) and event.warning):
            say_note(event)
        watch(event)

    def progress(n_runs: int, label: str) -> AbstractContextManager[Watch]:
        from merbench.terminal.run_progress import RunProgress

        return RunProgress(n_runs, label, silent=not shows_progress, also=watch)

    bench = Bench(catalog(), homes(options.data), options, watch_notes, progress)
    return bench, bench.options
