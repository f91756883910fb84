"""What an audit finds: sentences, and how much each weighs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Level = Literal["leak", "suspicion", "warning", "note"]


@dataclass(frozen=True)
class Finding:
    """``leak``: declared; ``suspicion``: not declared; ``warning``: to fix or to know;
    ``note``: counted, for the record.
    """

    level: Level
    about: str
    sentence: str
