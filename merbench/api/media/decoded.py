"""The result of decoding one clip."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

Shares = Mapping[str, tuple[int, int]]
"""Name -> how many of how many, which is measured as a rate over all clips."""


class Decoded(NamedTuple):
    """``values``: frames or samples; none = this modality is missing. ``note``: why it is missing
    or cut short; empty = all is well.

    ``shares``: what else was counted in this clip.
    """

    values: Any
    note: str = ""
    shares: Shares = {}
