"""``merbench data list``: which data sets there are, and where."""

from __future__ import annotations

from pathlib import Path

import click

from merbench.cli.shared.options import DATA, JSON
from merbench.cli.shared.output import plain_table, say, show, show_json
from merbench.cli.shared.session import Session


@click.command("list")
@DATA
@JSON
@click.pass_obj
def command(session: Session, data: Path | None, as_json: bool) -> None:
    """Every declared data set and every folder that was added, and where it was found.

    \b
    Example: merbench data list
    """
    from merbench.data.home import find_folder, folders, shown_homes

    homes = session.homes(data)
    rows = []
    declared = session.catalog.names("dataset")
    for name in declared:
        component = session.catalog.component("dataset", name)
        folder_path = find_folder(component.folder, homes) if component.folder else None
        where = (
            str(folder_path)
            if folder_path
            else ("not here" if component.folder else "made when it is used")
        )
        rows.append(
            {
                "name": name,
                "here": folder_path is not None or not component.folder,
                "where": where,
                "summary": component.summary,
            }
        )
    declared_folders = {row["where"] for row in rows}
    for folder in folders(homes):
        if str(folder) not in declared_folders:
            rows.append(
                {
                    "name": folder.name,
                    "here": True,
                    "where": str(folder),
                    "summary": "a feature folder of your own",
                }
            )
    if as_json:
        show_json({"looked_in": [str(h) for h in homes], "datasets": rows})
        return
    table = plain_table(left=("data set", "where", "what"))
    for row in rows:
        table.add_row(str(row["name"]), str(row["where"]), str(row["summary"]))
    show(table)
    say(f"looked in: {shown_homes(homes)}")
