"""Files that cannot be used: moved out of the way and reported, never deleted."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

MOST = 10_000
"""Files of one name, in a loop that would do the same for ever."""


def set_aside(root: Path, paths: Iterable[Path]) -> str:
    """Move files of the store at ``root`` to its ``set-aside/``; where they are now, in words."""
    folder = root / "set-aside"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for path in paths:
            names = (path.name, *(f"{path.name}.{number}" for number in range(1, MOST)))
            path.rename(next(folder / n for n in names if not os.path.lexists(folder / n)))
    except OSError:
        return "it was left where it is, because the store is read-only"
    return f"it was moved to {folder}"
