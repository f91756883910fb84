"""Where output goes: results to stdout, as tables or JSON; prose to stderr."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from merbench.api.control_characters import json_printable
from merbench.terminal.messages import say as say
from merbench.terminal.messages import say_command

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

BETWEEN = 2
"""Blanks between the columns of a table."""


def out() -> Console:
    """The console of results."""
    from merbench.terminal.console import console

    # Ids, transcripts and names are shown as they are: brackets and colons in them are no markup.
    results = console(highlight=False, markup=False, emoji=False)
    if not results.is_terminal:
        # A pipe or a file has no width of its own; 80 columns would fold a table of metrics.
        results.width = 200
    return results


def write(text: str) -> None:
    """What a console of results drew."""
    file = out().file
    file.write(text)
    file.flush()


def room() -> int | None:
    """The width of the terminal; None where results go elsewhere."""
    console = out()
    return console.width if console.is_terminal else None


def plain_table(
    title: str | None = None,
    left: Sequence[str] = (),
    right: Sequence[str] = (),
    show_header: bool = True,
) -> Table:
    """Without lines, the title bold; its first columns are ``left``, aligned so, then ``right``."""
    from rich.table import Table

    padding = (0, BETWEEN, 0, 0)
    table = Table(
        title=title, title_style="bold", box=None, padding=padding, show_header=show_header
    )
    for heading in left:
        table.add_column(heading)
    for heading in right:
        table.add_column(heading, justify="right")
    return table


def show(table: Table, most: int | None = None, console: Console | None = None) -> None:
    """The title and the notes stand by themselves, so that a narrow table does not fold them; in a
    pipe a table is as wide as it needs, or ``most`` columns. ``console``: another than ``out()``.
    """
    from rich.measure import Measurement
    from rich.text import Text

    console = console or out()
    if not console.is_terminal and most:
        console.width = most
    elif not console.is_terminal:
        console.width = max(
            console.width,
            Measurement.get(console, console.options.update(width=10_000), table).maximum,
        )
    if table.title:
        console.print(Text(str(table.title), style=table.title_style or "table.title"))
        table.title = None
    notes, table.caption = table.caption, None
    console.print(table)
    if notes:
        console.print(Text(str(notes), style=table.caption_style or "table.caption"))


def show_text(sentence: str) -> None:
    """Wrapped at words at a terminal; one line elsewhere."""
    from rich.text import Text

    console = out()
    if console.is_terminal:
        console.print(Text(sentence))
    else:
        click.echo(sentence)


def say_next(store: object, command: str) -> None:
    """How a command that made or read runs ends: where they are, and what to do with them."""
    say_command(f"records in {store}; next: merbench {command} --store {shlex.quote(str(store))}")


def show_json(value: Any) -> None:
    import json

    click.echo(json_printable(json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False)))
