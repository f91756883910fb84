"""Small wordings that the readers share."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import get_close_matches


def instead(name: str, known: Iterable[str]) -> str:
    """``did you mean 'x'?`` or, where nothing is near, ``there are: x, y``."""
    names = sorted(known)
    near = get_close_matches(name, names, n=1, cutoff=0.6)
    return f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(names) or 'none'}"


def first(items: Sequence[str], n: int = 3) -> str:
    """The first few of many."""
    return ", ".join(items[:n]) + (", ..." if len(items) > n else "")
