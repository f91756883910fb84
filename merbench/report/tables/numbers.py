"""Numbers as tables show them: in the unit and with the digits of their metric."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from merbench.api.declarations.metrics import MetricFacts

MISSING = "–"


class Unit(Protocol):
    """Shown are ``scale`` times the values, with ``digits`` decimals."""

    @property
    def digits(self) -> int: ...

    @property
    def scale(self) -> float: ...


def number(value: float, unit: Unit) -> str:
    return f"{value * unit.scale:z.{unit.digits}f}"


def signed(value: float, unit: Unit) -> str:
    """``+0.043``."""
    return f"{value * unit.scale:+z.{unit.digits}f}"


def interval(ends: Iterable[float], unit: Unit) -> str:
    """``[0.901, 1.002]``."""
    low, high = ends
    return f"[{number(low, unit)}, {number(high, unit)}]"


def signed_interval(ends: Iterable[float], unit: Unit) -> str:
    """``[-0.004, +0.030]``; a dash where there is none, as with the rows of a single video."""
    low, high = ends
    if math.isnan(low):
        return MISSING
    return f"[{signed(low, unit)}, {signed(high, unit)}]"


def size(difference: float, metric: MetricFacts) -> str:
    """Of one that is not 0: ``0.043``, or ``less than 0.001`` where its digits would be zeros."""
    digits = number(abs(difference), metric)
    return digits if float(digits) else f"less than {10**-metric.digits:.{metric.digits}f}"
