"""How a shell completes names: models and data sets, of installed plugins and of the data homes.
Imports no torch.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import click
from click.shell_completion import CompletionItem, FishComplete

from merbench.api.control_characters import one_line, printable

if TYPE_CHECKING:
    from merbench.host.catalog import Catalog


class Fish(FishComplete):
    """With click's own script fish cuts ``tfn,merclip``, and a help text, at the first comma."""

    source_template = FishComplete.source_template.replace(
        'string split ","', 'string split --max 1 ","'
    )


def complete_model(
    ctx: click.Context, param: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    catalog = _catalog()
    return _items(incomplete, {n: catalog.summary("recipe", n) for n in catalog.names("recipe")})


def complete_dataset(
    ctx: click.Context, param: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Declared data sets, and the folders of data sets of one's own."""
    import os

    from merbench.data.home import data_homes

    catalog = _catalog()
    names = {n: catalog.summary("dataset", n) for n in catalog.names("dataset")}
    folders = {
        file.parent.name: f"in {home}"
        for home in data_homes(ctx.params.get("data"), os.environ)
        for file in home.glob("*/dataset.toml")
    }
    return _items(incomplete, folders | names)


def _catalog() -> Catalog:
    from merbench.bench.python_session import catalog

    return catalog()


def _items(incomplete: str, names: dict[str, str]) -> list[CompletionItem]:
    """``tfn,mu`` is completed in its last name. A name with a sign that a shell or a terminal would
    take for its own is left out.
    """
    earlier, comma, last = incomplete.rpartition(",")
    return [
        CompletionItem(earlier + comma + name, help=printable(one_line(summary)))
        for name, summary in sorted(names.items())
        if name.startswith(last) and re.fullmatch(r"\w[\w.+:=@-]*", name)
    ]
