"""What one call of the program shares: the catalogue, loaded once and handed down, and where output
goes.
"""

from __future__ import annotations

import os
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from merbench.api.corpus import Corpus
    from merbench.api.lexicon import Lexicon
    from merbench.host.catalog import Catalog


class Session:
    """``disabled``: plugins left out by ``--no-plugin``."""

    def __init__(self, disabled: tuple[str, ...] = ()) -> None:
        self.disabled = disabled

    @cached_property
    def catalog(self) -> Catalog:
        """Every plugin's declarations. A broken plugin costs one line on stderr."""
        from merbench.host.catalog import Catalog
        from merbench.host.manager import discover

        catalog = Catalog(discover(self.disabled))
        for plugin in catalog.plugins:
            if plugin.error:
                say(
                    f"warning: plugin {plugin.name!r} of {plugin.distribution} {plugin.version} is not used: {plugin.error}"
                )
        return catalog

    def homes(self, data: Path | None) -> list[Path]:
        from merbench.data.home import data_homes

        return data_homes(data, os.environ)

    def dataset(self, name: str | None, data: Path | None) -> Corpus:
        """The data set; without a name MOSI where it is on the machine, else the generated one, and
        a line that says which and why.
        """
        from merbench.data.home import find_folder
        from merbench.engine.datasets import open_dataset

        homes = self.homes(data)
        if name is None:
            found = find_folder("mosi", homes)
            name = "mosi" if found else "sample"
            where = (
                f"found in {found}"
                if found
                else "no MOSI here (merbench data show mosi says where it was looked for)"
            )
            say(f"dataset {name}: {where}")
        corpus = open_dataset(self.catalog, name, homes)
        for note in corpus.notes:
            say(f"note: {note}")
        return corpus

    def lexicon(self, names: tuple[str, ...], data: Path | None) -> Lexicon | None:
        from merbench.data.word_vectors import open_lexicon

        return open_lexicon(names, self.homes(data))


def typed(ctx: click.Context) -> dict[str, str]:
    """Parameter -> option as it is written (``--store``), of those that stand on the command line."""
    there = click.core.ParameterSource.COMMANDLINE
    return {
        p.name: p.opts[0]
        for p in ctx.command.params
        if p.name and ctx.get_parameter_source(p.name) is there
    }


def say(message: str) -> None:
    """Prose goes to stderr, so that stdout holds results alone."""
    click.echo(message, err=True)


def out() -> Console:
    """The console of results."""
    from rich.console import Console

    # Ids, transcripts and names are shown as they are: brackets and colons in them are no markup.
    console = Console(highlight=False, markup=False, emoji=False)
    if not console.is_terminal:
        console.width = 200  # a pipe or a file has no width of its own; 80 columns would fold a table of metrics
    return console


def room() -> int | None:
    """The width of the terminal; None where results go elsewhere."""
    console = out()
    return console.width if console.is_terminal else None


def show(table: Table) -> None:
    """The title stands by itself, so that a narrow table does not fold it; in a pipe a table is as
    wide as it needs.
    """
    from rich.measure import Measurement
    from rich.text import Text

    console = out()
    if not console.is_terminal:
        console.width = max(
            console.width,
            Measurement.get(console, console.options.update(width=10_000), table).maximum,
        )
    if table.title:
        console.print(Text(str(table.title), style=table.title_style or "table.title"))
        table.title = None
    console.print(table)


def show_json(value: Any) -> None:
    import json

    click.echo(json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False))
