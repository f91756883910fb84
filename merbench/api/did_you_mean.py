"""``did you mean ...?``: the advice that follows a name which is not known."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from difflib import get_close_matches


def nearest(name: str, known: Iterable[str], most: int = 1) -> list[str]:
    """Up to ``most`` known names that are spelt like ``name`` in any case, the nearest first."""
    known_by_lower = {known_name.lower(): known_name for known_name in sorted(known)}
    matches = get_close_matches(name.lower(), known_by_lower, n=most, cutoff=0.5)
    return [known_by_lower[match] for match in matches]


def did_you_mean(
    name: str,
    known: Iterable[str],
    otherwise: str | None = None,
    most: int = 1,
    written: Callable[[str], str] = str,
) -> str:
    """``did you mean 'x' or 'y'?`` with up to ``most`` names. Where none is near: ``otherwise``, by
    default ``there are: x, y``. ``written``: a name as a user gives it.
    """
    names = sorted(known)
    suggestions = nearest(name, names, most)
    if suggestions:
        return f"did you mean {' or '.join(repr(written(s)) for s in suggestions)}?"
    if otherwise is not None:
        return otherwise
    return f"there are: {', '.join(map(written, names)) or 'none'}"
