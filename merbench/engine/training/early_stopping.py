"""Early stopping: a stage ends after ``patience`` epochs without a better validation score."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass
class EarlyStopping:
    """``best``: the rank of the epoch whose weights are kept. ``waited``: epochs since then."""

    patience: int
    best: float = -math.inf
    waited: int = 0

    @property
    def stops(self) -> bool:
        return self.waited >= self.patience

    def keeps(self, rank: float, always: bool = False) -> bool:
        """Whether the weights of an epoch of this rank are to be kept: it is better than all before
        it, or one of a stage's first epoch or of a stage that does not select (``always``).
        """
        if always or rank > self.best:
            self.best, self.waited = rank, 0
            return True
        self.waited += 1
        return False
