"""``merbench plugins``: what is installed, and whether it keeps the contract."""

from __future__ import annotations

import click

from merbench.cli.shared.groups import FullHelpGroup
from merbench.cli.shared.options import JSON_LIST
from merbench.cli.shared.output import plain_table, say, show, show_json
from merbench.cli.shared.session import Session


@click.group("plugins", cls=FullHelpGroup)
def command() -> None:
    """Installed plugins, broken ones with their error; conformance checks.

    \b
    Example: merbench plugins list
             merbench plugins check merclip
    """


@command.command("list")
@JSON_LIST
@click.pass_obj
def list_(session: Session, as_json: bool) -> None:
    """Every installed plugin: name, distribution, version, what it offers, error.

    \b
    Example: merbench plugins list --json
    """
    rows = [
        {
            "name": p.name,
            "distribution": p.distribution,
            "version": p.version,
            "offers": len(p.declarations) + len(p.commands),
            "error": p.error,
            "printed": p.output,
        }
        for p in session.catalog.plugins
    ]
    if as_json:
        show_json(rows)
        return
    from rich.text import Text

    table = plain_table(left=("plugin", "distribution", "version"), right=("offers",))
    table.add_column("error")
    for row in rows:
        error = Text(str(row["error"] or "–"), style="red" if row["error"] else "dim")
        table.add_row(*(str(row[k]) for k in ("name", "distribution", "version", "offers")), error)
    show(table)
    for row in rows:
        if row["printed"]:
            say(f"{row['name']} printed while it was imported: {row['printed']}")


@command.command()
@click.argument("name")
@JSON_LIST
@click.pass_obj
def check(session: Session, name: str, as_json: bool) -> None:
    """Run the conformance checks on everything that the plugin NAME offers (or on one component or
    model of that name).

    \b
    Example: merbench plugins check baselines
    """
    from merbench.testing.checks import check_plugin

    verdicts = list(check_plugin(session.catalog, name))
    failed = [v for v in verdicts if v.status == "failed"]
    if as_json:
        show_json([v.as_dict() for v in verdicts])
    else:
        from rich.text import Text

        table = plain_table(left=("component", "check", "verdict", "reason"))
        style = {"passed": "green", "failed": "red", "skipped": "dim", "known failure": "yellow"}
        for v in verdicts:
            table.add_row(v.subject, v.check, Text(v.status, style=style[v.status]), Text(v.reason))
        show(table)
        click.echo(f"{len(verdicts)} checks, {len(failed)} failed", err=True)
    raise SystemExit(1 if failed else 0)
