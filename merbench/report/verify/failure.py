"""What ``merbench leaderboard verify`` reports."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Failure:
    """A rule that does not hold, and the file in which this shows."""

    file: Path
    sentence: str
