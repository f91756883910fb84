"""Where values lie between the ends of a small figure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Axis:
    """From ``low`` at the left to ``high`` at the right."""

    low: float
    high: float

    @classmethod
    def over(cls, intervals: Iterable[tuple[float, float]]) -> Axis:
        """The shortest one that holds them all."""
        ends = [end for interval in intervals for end in interval]
        return cls(min(ends, default=0.0), max(ends, default=0.0))

    def place(self, value: float) -> float:
        """In percent of the width; what lies beyond an end is set there."""
        if self.high == self.low:
            return 50.0
        share = (value - self.low) / (self.high - self.low)
        return round(100 * min(max(share, 0.0), 1.0), 1)
