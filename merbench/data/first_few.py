"""The first few of many names, for a sentence."""

from __future__ import annotations

from collections.abc import Sequence


def first_few(items: Sequence[str], n: int = 3) -> str:
    """``a, b, c, ...``"""
    return ", ".join(items[:n]) + (", ..." if len(items) > n else "")
