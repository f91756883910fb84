"""What an error says, in a line for a sentence."""

from __future__ import annotations


def first_line(error: BaseException) -> str:
    """The first line of what it says; its type where it says nothing, as ``NotImplementedError``
    mostly does.
    """
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__


def typed(error: BaseException) -> str:
    """``"ValueError: not a number"``: its type before it, once."""
    return ": ".join(dict.fromkeys((type(error).__name__, first_line(error))))
