"""``merbench list``: what there is to choose from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from merbench.cli.shared.options import JSON
from merbench.cli.shared.output import plain_table, room, say, show, show_json
from merbench.cli.shared.session import Session
from merbench.functions.look.catalogue import KINDS

if TYPE_CHECKING:
    from rich.table import Table

PLUGINS, PAPERS = 110, 160
"""Columns in which plugins, and papers too, have room beside summaries."""


@click.command("list")
@click.argument("kind", type=click.Choice(KINDS), required=False)
@JSON
@click.pass_obj
def command(session: Session, kind: str | None, as_json: bool) -> None:
    """Models, parts, data sets and metrics, with the plugin each comes from.

    \b
    Example: merbench list models
    """
    rows = {k: _rows(session, k) for k in ([kind] if kind else KINDS)}
    if as_json:
        show_json(rows)
        return
    width = room()
    for name, entries in rows.items():
        show(_table(name, entries, width))
    if width and width < PAPERS:
        papers = any("paper" in entry for entries in rows.values() for entry in entries)
        left_out = ["the papers"] * papers + ["the plugin of each"] * (width < PLUGINS)
        if left_out:
            say(f"left out in {width} columns: {' and '.join(left_out)}; --json has them")


def _table(title: str, entries: list[dict[str, Any]], width: int | None) -> Table:
    """``width``: of the terminal; None where nothing has to be left out."""
    from rich.text import Text

    table = plain_table(title, show_header=False)
    table.add_column(no_wrap=True)
    for entry in entries:
        conflict = (" (conflict)", "red") if len(entry["plugins"]) > 1 else ""
        cells = [Text.assemble(entry["name"], conflict), Text(entry["summary"])]
        if "paper" in entry and (width is None or width >= PAPERS):
            cells.append(Text(entry["paper"]))
        if width is None or width >= PLUGINS:
            cells.append(Text(" + ".join(entry["plugins"]), style="dim"))
        table.add_row(*cells)
    return table


def _rows(session: Session, plural: str) -> list[dict[str, Any]]:
    if plural == "metrics":
        return _metrics(session)
    return _of_plugins(session, "recipe" if plural == "models" else plural[:-1])


def _of_plugins(session: Session, kind: str) -> list[dict[str, Any]]:
    catalog = session.catalog
    rows = []
    for name in catalog.names(kind):
        providers = [plugin.distribution for plugin in catalog.providers(kind, name)]
        row = {"name": name, "summary": catalog.summary(kind, name), "plugins": providers}
        if kind == "recipe":
            row["paper"] = catalog.recipe(name).paper if len(providers) == 1 else ""
        rows.append(row)
    return rows


def _metrics(session: Session) -> list[dict[str, Any]]:
    from merbench.api import MetricDef
    from merbench.results.metrics import BUILT_IN

    offers = [(metric, "merbench") for metric in BUILT_IN.metrics]
    offers += [
        (declaration, plugin.distribution)
        for plugin in session.catalog.plugins
        for declaration in plugin.declarations
        if isinstance(declaration, MetricDef)
    ]
    return [
        {
            "name": metric.name,
            "summary": f"{' and '.join(metric.kinds)}: {metric.summary}",
            "plugins": [distribution],
        }
        for metric, distribution in offers
    ]
