"""Files and folders that options and arguments name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click


class NamedPath(click.Path):
    """A path as ``pathlib.Path``. An empty one is refused: ``--store ""`` would be the folder in
    which one is.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(path_type=Path, **options)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if value == "":
            self.fail("it names nothing; give a file or folder.", param, ctx)
        return super().convert(value, param, ctx)
