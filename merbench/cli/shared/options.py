"""Options that many commands have, each with one wording."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from merbench.cli.shared.completion import complete_dataset
from merbench.cli.shared.named_path import NamedPath

Option = Callable[..., Any]
"""A decorator of a command."""


def store_option(help: str) -> Option:
    return click.option(
        "--store",
        type=NamedPath(),
        envvar="MERBENCH_STORE",
        default="runs",
        show_default=True,
        help=help,
    )


def json_option(form: str) -> Option:
    help = f"One JSON {form} on stdout, and nothing else there."
    return click.option("--json", "as_json", is_flag=True, help=help)


STORE = store_option("The folder that the runs are in.")
RECORDS_GO_TO = store_option("Where records go.")
JSON, JSON_LIST = json_option("object"), json_option("list")
DATA = click.option(
    "--data", type=NamedPath(), help="Folder of the data sets (also MERBENCH_DATA)."
)
ONLY_DATASET = click.option(
    "--dataset", shell_complete=complete_dataset, help="Only this data set."
)
ONLY_TRACK = click.option("--track", help="Only tracks whose title contains this, such as folds.")
REQUIRED_DATASET = click.option(
    "--dataset",
    shell_complete=complete_dataset,
    required=True,
    help="A data set (merbench data list).",
)
TASK = click.option(
    "--task", help="What is predicted, such as sentiment, or sentiment+emotions at once."
)
PROTOCOL = click.option("--protocol", help="How rows are split, such as standard or folds.")
DEVICE = click.option(
    "--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto", show_default=True
)


def typed(ctx: click.Context) -> dict[str, str]:
    """Parameter -> option as it is written (``--store``), of those on the command line."""
    on_command_line = click.core.ParameterSource.COMMANDLINE
    return {
        p.name: p.opts[0]
        for p in ctx.command.params
        if p.name and ctx.get_parameter_source(p.name) is on_command_line
    }
