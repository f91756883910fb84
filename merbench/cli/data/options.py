"""Options that the ``merbench data`` commands share."""

from __future__ import annotations

from pathlib import Path

import click

DATA = click.option(
    "--data", type=click.Path(path_type=Path), help="Folder of the data sets (also MERBENCH_DATA)."
)
JSON = click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout.")
