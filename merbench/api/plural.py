"""Counts in sentences: "1 row", "2,610 rows"."""

from __future__ import annotations


def count_of(n: int, noun: str, plural: str = "") -> str:
    """``(1, "row")`` -> "1 row"; ``(0, "entry", "entries")`` -> "0 entries"."""
    return f"{n:,} {noun if n == 1 else plural or noun + 's'}"
