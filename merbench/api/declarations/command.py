"""A command that a plugin brings, as frozen data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from merbench.api.declarations.declaration import API, Declaration

CommandGroup = Literal["measure", "look", "ask", "data", "extend"]


@dataclass(frozen=True, kw_only=True)
class Command(Declaration):
    """A command of the program, ``merbench NAME``.

    group    under which heading of ``merbench --help`` it stands.
    summary  one sentence for that list; the command's own help is its docstring, as click shows it.
    target   ``"package.module:attribute"``, a ``click.Command``: imported when it is called, or
             when its own help is asked for.
    """

    name: str
    summary: str
    target: str
    group: CommandGroup = "extend"
    api: int = API
