"""Click groups: subcommands that live one a file, and the program itself, whose commands are
declared by merbench and by plugins.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any, get_args

import click

from merbench.api.declarations.command import Command, CommandGroup
from merbench.api.errors import RequestError
from merbench.host.guarded_imports import off_stdout

if TYPE_CHECKING:
    from merbench.cli.shared.session import Session

TITLES: dict[CommandGroup, str] = {
    "measure": "Measure",
    "look": "Look at what was measured",
    "ask": "Ask trained models",
    "data": "Data",
    "extend": "Extend and set up",
}


class FullHelpGroup(click.Group):
    """Its help shows the whole first sentence of each command, where click breaks off after half a
    line; and a command that it has not is answered with those that it has.
    """

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        from merbench.host.catalog import unknown

        name = args[0]
        if not name.startswith("-") and self.get_command(ctx, name) is None:
            where = f"{ctx.command_path} --help shows them all"
            raise RequestError(unknown("command", name, self.list_commands(ctx), where))
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        commands = [(name, self.get_command(ctx, name)) for name in self.list_commands(ctx)]
        with formatter.section("Commands"):
            formatter.write_dl(
                [(name, c.get_short_help_str(limit=1000)) for name, c in commands if c]
            )


class LazyGroup(FullHelpGroup):
    """``@click.group(cls=LazyGroup, package="merbench.cli.data", names=("show", ...))``.

    Subcommand ``NAME`` is ``PACKAGE.NAME:command``, imported when it is asked for; ``list``, which
    is Python's, lives in ``list_``.
    """

    def __init__(self, *args: Any, package: str, names: Sequence[str], **options: Any) -> None:
        super().__init__(*args, **options)
        self.package, self.names = package, names

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.names)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in self.names:
            return None
        module = "list_" if name == "list" else name
        command: click.Command = import_module(f"{self.package}.{module}").command
        return command


class Program(FullHelpGroup):
    """``merbench``: ``builtin`` commands, then those of plugins, under the headings of their
    groups.

    Plugins are looked for where their commands may be meant: by the help, and by a name that is
    not built in.
    """

    def __init__(self, *args: Any, builtin: Sequence[Command], **options: Any) -> None:
        super().__init__(*args, **options)
        self.builtin = {command.name: command for command in builtin}

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [command.name for command, _ in self._all(ctx)]

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name in self.builtin:
            return _load(self.builtin[name], "merbench")
        offers = session_of(ctx).catalog.commands().get(name, [])
        if len(offers) > 1:
            distributions = " and ".join(plugin.distribution for plugin, _ in offers)
            raise RequestError(
                f"command {name!r} is brought by {distributions}; "
                "leave one out with --no-plugin NAME"
            )
        return _load(offers[0][1], offers[0][0].distribution) if offers else None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        commands = list(self._all(ctx))
        for group in get_args(CommandGroup):
            rows = [(c.name, f"{c.summary}{note}") for c, note in commands if c.group == group]
            if rows:
                with formatter.section(TITLES[group]):
                    formatter.write_dl(rows)

    def _all(self, ctx: click.Context) -> Iterator[tuple[Command, str]]:
        """Every command, and of whom it is where it is a plugin's."""
        for command in self.builtin.values():
            yield command, ""
        for name, offers in session_of(ctx).catalog.commands().items():
            if name not in self.builtin:
                yield offers[0][1], f" ({' and '.join(p.distribution for p, _ in offers)})"


def session_of(ctx: click.Context) -> Session:
    """The session of this call of the program, started by whoever needs it first."""
    from merbench.cli.shared.session import Session

    root = ctx.find_root()
    if root.obj is None:
        root.obj = Session(tuple(root.params.get("disabled") or ()))
    session: Session = root.obj
    return session


def _load(command: Command, distribution: str) -> click.Command:
    """RequestError, naming the distribution, where it cannot be imported."""
    module, _, attribute = command.target.partition(":")
    try:
        with off_stdout():
            loaded = getattr(import_module(module), attribute)
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        if distribution == "merbench":
            raise
        raise RequestError(
            f"command {command.name!r} of {distribution} cannot be loaded from "
            f"{command.target!r} (package.module:attribute): {type(error).__name__}: {error}"
        ) from error
    if not isinstance(loaded, click.Command):
        raise RequestError(
            f"command {command.name!r} of {distribution}: {command.target} is a "
            f"{type(loaded).__name__}, and is to be a click.Command"
        )
    return loaded
