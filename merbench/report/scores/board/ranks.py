"""The rank of each row of a board, and which rows are not separated from the best."""

from __future__ import annotations

import numpy as np

from merbench.report.scores.board.row_pairs import Comparison
from merbench.report.scores.statistics.p_values import ALPHA
from merbench.report.scores.statistics.pair_tests import EveryPair

RULE = (
    "rank: 1 + the number of rows that are significantly better, over all pairs of the board; "
    "= marks rows that are not separated "
    "from the best. Significant: the p that inverts the 95 % interval of the paired difference "
    "(seeds and videos), Holm-corrected "
    "over all pairs, and the sign-flip p over seeds are both under .05"
)


class Standing(Comparison):
    """``rank`` of a row, and its test against the best row of all (none for the best itself)."""

    rank: int = 0

    @property
    def with_the_best(self) -> bool:
        """Not separated from the best row."""
        return not self.significant


def standings(tests: EveryPair, higher_is_better: bool) -> dict[str, Standing]:
    """``RULE``. The names of ``tests`` are in order from best to worst."""
    names = tests.names
    first_P, later_P = np.triu_indices(len(names), 1)
    later_is_worse_P = (tests.mean_P < 0) == higher_is_better
    worse_P = np.where(later_is_worse_P, later_P, first_P)
    better = np.bincount(worse_P[tests.p_P < ALPHA], minlength=len(names))
    standing_of = {}
    for place, name in enumerate(names):
        test = Comparison.of(tests.of(names[0], name), names[0]) if place else Comparison()
        standing_of[name] = Standing(**test.model_dump(), rank=1 + int(better[place]))
    return standing_of
