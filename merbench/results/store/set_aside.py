"""Files that cannot be used: moved out of the way and reported, never deleted."""

from __future__ import annotations

import os
from collections.abc import Iterable
from itertools import chain, count
from pathlib import Path


def set_aside(root: Path, paths: Iterable[Path]) -> str:
    """Move files of the store at ``root`` to its ``set-aside/``; where they are now, in words."""
    folder = root / "set-aside"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for path in paths:
            path.rename(_unused(folder / path.name))
    except OSError:
        return "it was left where it is, because the store is read-only"
    return f"it was moved to {folder}"


def _unused(path: Path) -> Path:
    """The path, or with the first number behind it under which nothing lies."""
    numbered = (path.with_name(f"{path.name}.{number}") for number in count(1))
    return next(place for place in chain([path], numbered) if not os.path.lexists(place))
