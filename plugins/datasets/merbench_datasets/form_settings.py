"""Settings that forms share: none, the range of the labels, how clips are counted."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from merbench.api import LATER, Config


class Plain:
    """A form without settings."""

    class Config(Config):
        pass

    def __init__(self, config: Config) -> None:
        self.config = config


class Labelled(Plain):
    """A form whose labels are of a scale that its files do not name."""

    class Config(Config):
        low: Annotated[float | None, LATER] = None
        """Lowest label of the score. Without ``low`` and ``high`` the labels tell: two classes
        where they are 0 and 1 or -1 and 1 alone (UR-FUNNY, MUStARD), the whole numbers around them
        where none is negative (ratings from 1 to 5, shares) or many are beyond 3 (valence in
        [-5, 5]), [-1, 1] where all are in it (CH-SIMS) and not by thirds, [-2, 2]
        where all are whole numbers in it, else [-3, 3].
        """
        high: Annotated[float | None, LATER] = None
        """Highest label of the score; give it with ``low``, or neither."""

        @model_validator(mode="after")
        def _in_order(self) -> Self:
            if (self.low is None) != (self.high is None):
                raise ValueError("give low and high together")
            if self.low is not None and self.high is not None and not self.low < self.high:
                raise ValueError("low is not below high")
            return self


class Numbered(Labelled):
    """A form that may call its rows ``video[k]``."""

    class Config(Labelled.Config):
        first: Annotated[int, Field(ge=0)] = 0
        """Number of the clip that is called video[0]: 1 where rows are to join a data set that
        counts from 1, as MMSA does.
        """
