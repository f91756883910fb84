"""When two numbers count as equal, and where two sets of numbers differ."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

CLOSE = 1e-9
"""Numbers may differ by so much, relatively: other builds of numpy add in another order."""
SCORED = 1e-12
"""The same of the metrics of one run, which are plain sums over its rows: one prediction that
differs in its last bit is noticed, unless it is under about .01."""
SELECTED = 1e-4
"""So much may a validation score differ between its epoch and the end: of seeds trained together,
the two are computed in other shapes.
"""
NOTHING = "nothing"
"""Where one side has a number, or says that it is undefined, and the other does not name it."""


def close(a: Any, b: Any, tolerance: float = CLOSE) -> bool:
    if isinstance(a, float | int) and isinstance(b, float | int):
        return math.isclose(a, b, rel_tol=tolerance, abs_tol=tolerance)
    return bool(a == b)


def differences(stated: Any, computed: Any, place: str = "") -> Iterator[str]:
    """One sentence for each number that comes out otherwise; ``place``: where the two stand."""
    if isinstance(stated, dict) and isinstance(computed, dict):
        for key in dict.fromkeys((*stated, *computed)):
            yield from differences(
                stated.get(key, NOTHING), computed.get(key, NOTHING), f"{place}.{key}".strip(".")
            )
    elif isinstance(stated, list) and isinstance(computed, list) and len(stated) == len(computed):
        for number, (stated_item, computed_item) in enumerate(zip(stated, computed, strict=True)):
            yield from differences(stated_item, computed_item, f"{place}[{number}]")
    elif not close(stated, computed):
        yield f"{place} is {stated}, and comes out as {computed}"
