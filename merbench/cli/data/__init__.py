"""``merbench data``: data sets on this machine. One file a subcommand: ``merbench.cli.data.<name>:command``."""

from __future__ import annotations

from importlib import import_module

import click

COMMANDS = ("list", "show", "add", "fetch", "audit", "cache")


class Commands(click.Group):
    """Subcommands are found by name, and import their machinery when they run."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        module = "list_" if name == "list" else name
        found: click.Command = import_module(f"merbench.cli.data.{module}").command
        return found


@click.group("data", cls=Commands)
def command() -> None:
    """Data sets: which are here, what they hold, and how more come in.

    \b
    Example: merbench data list
             merbench data show sample
             merbench data add mosi aligned_50.pkl
    """
