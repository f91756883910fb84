"""Counts in sentences: "1 row is", "2,610 rows are"."""

from __future__ import annotations


def count_of(n: int, noun: str, plural: str = "") -> str:
    """``(1, "row")`` -> "1 row"; ``(0, "entry", "entries")`` -> "0 entries"."""
    return f"{n:,} {noun if n == 1 else plural or noun + 's'}"


def are(n: int) -> str:
    return "is" if n == 1 else "are"


def have(n: int) -> str:
    return "has" if n == 1 else "have"
