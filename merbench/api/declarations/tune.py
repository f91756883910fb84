"""Search ranges. Apart from ``config``, because a recipe may name them and declarations import no
pydantic.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from merbench.api.material.types import Modality, SpaceKind


@dataclass(frozen=True)
class Tune:
    """The search range of a field: ``Tune(low, high, log=...)`` or ``Tune(choices=(...))``, which
    are texts, numbers, True or False. It must hold the default.

    Any value must fit any value of the other ranges of its config. ``modality``: searched only
    where the run has that modality. ``spaces``: only where its label space is of one of these
    kinds. ``where``: only where another field of its config has a value, as ``("text", "lstm")``.
    """

    low: float | None = None
    high: float | None = None
    log: bool = False
    choices: tuple[Any, ...] = ()
    modality: Modality | None = None
    spaces: tuple[SpaceKind, ...] = ()
    where: tuple[str, Any] | None = None

    def __post_init__(self) -> None:
        if bool(self.choices) == (self.low is not None and self.high is not None):
            raise ValueError("Tune takes either low and high, or choices")
        if wrong := [c for c in self.choices if not isinstance(c, str | int | float | None)]:
            raise ValueError(
                f"Tune has the choice {wrong[0]!r}; a search draws texts, numbers, True and False, "
                "so give the field a text for each choice"
            )
        if self.low is not None and self.high is not None:
            if self.low > self.high:
                raise ValueError(f"Tune has low={self.low:g} above high={self.high:g}")
            if self.log and self.low <= 0:
                raise ValueError(f"Tune has low={self.low:g}; a log range begins above 0")

    def holds(self, value: Any) -> bool:
        """Whether ``value`` lies inside the range."""
        if self.choices:
            return value in self.choices
        assert self.low is not None and self.high is not None
        return bool(self.low <= value <= self.high)
