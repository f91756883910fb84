"""A data set with settings by one name, in whatever order they are given."""

from __future__ import annotations


def ordered(name: str) -> str:
    """``"sample:train=9,seed=1"`` -> ``"sample:seed=1,train=9"``."""
    base, _, settings = name.partition(":")
    return f"{base}:{','.join(sorted(settings.split(',')))}" if settings else name
