"""``did you mean ...?``: the advice that follows a name which is not known."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


def nearest(name: str, known: Iterable[str], most: int = 1) -> list[str]:
    """Up to ``most`` known names that are spelt like ``name``, the nearest first."""
    return get_close_matches(name, sorted(known), n=most, cutoff=0.5)


def did_you_mean(
    name: str, known: Iterable[str], otherwise: str | None = None, most: int = 1
) -> str:
    """``did you mean 'x' or 'y'?`` with up to ``most`` names. Where none is near: ``otherwise``, by
    default ``there are: x, y``.
    """
    names = sorted(known)
    suggestions = nearest(name, names, most)
    if suggestions:
        return f"did you mean {' or '.join(map(repr, suggestions))}?"
    return f"there are: {', '.join(names) or 'none'}" if otherwise is None else otherwise
