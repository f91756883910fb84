"""Options that the ``merbench data`` commands share."""

from __future__ import annotations

import click

from merbench.cli.shared.named_path import NamedPath

DATA = click.option(
    "--data", type=NamedPath(), help="Folder of the data sets (also MERBENCH_DATA)."
)
JSON = click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout.")
