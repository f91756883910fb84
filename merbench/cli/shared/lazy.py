"""Groups whose commands live one a file: ``PACKAGE.NAME:command``, imported when it is asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any

import click


class Told(click.Group):
    """Its help shows the whole first sentence of each command, where click breaks off after half a
    line.
    """

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        commands = [(name, self.get_command(ctx, name)) for name in self.list_commands(ctx)]
        with formatter.section("Commands"):
            formatter.write_dl(
                [
                    (name, command.get_short_help_str(limit=1000))
                    for name, command in commands
                    if command
                ]
            )


class Lazy(Told):
    """``@click.group(cls=Lazy, package="merbench.cli.data", names=("show", ...))``; ``list``, which
    is Python's, lives in ``list_``.
    """

    def __init__(
        self, *args: Any, package: str, names: Sequence[str] | Mapping[str, str], **more: Any
    ) -> None:
        super().__init__(*args, **more)
        self.package, self.names = package, names

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.names)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in self.names:
            return None
        module = self.names[name] if isinstance(self.names, Mapping) else name
        if name == "list":
            module += "_"
        found: click.Command = import_module(f"{self.package}.{module}").command
        return found
