"""Files that cannot be used: moved out of the way and reported, never deleted."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path


def set_aside(root: Path, paths: Iterable[Path]) -> str:
    """Move files of the store at ``root`` to its ``set-aside/``; where they are now, in words."""
    folder = root / "set-aside"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for path in paths:
            number = sum(1 for _ in folder.glob(f"{path.name}*"))
            path.rename(folder / (path.name if not number else f"{path.name}.{number}"))
    except OSError:
        return "it was left where it is, because the store is read-only"
    return f"it was moved to {folder}"
