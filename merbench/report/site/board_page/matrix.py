"""Every pair of models: the difference of their scores, and whether the paired test separates
them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from merbench.report.scores.board.board_scores import BoardScores
from merbench.report.scores.board.row_pairs import Comparison
from merbench.report.scores.rows.entries import Board
from merbench.report.tables.numbers import MISSING, signed, signed_interval


@dataclass(frozen=True)
class PairCell:
    """Row minus column, as text. ``verdict``: how the row does against the column, empty where
    they are not separated; ``words``: the whole test.
    """

    text: str
    verdict: Literal["better", "worse", ""] = ""
    words: str = ""


def pair_matrix(scores: BoardScores, board: Board) -> list[tuple[str, list[PairCell]]]:
    """Short title -> a cell for each row of the ranking, in its order; empty where no pairs were
    kept.
    """
    names = [
        name
        for name in scores.standings
        if name in scores.pairs or any(name in bases for bases in scores.pairs.values())
    ]
    return [
        (board.short_titles[row], [_cell(row, column, scores) for column in names]) for row in names
    ]


def _cell(row: str, column: str, scores: BoardScores) -> PairCell:
    test, sign = scores.pairs.get(row, {}).get(column), 1.0
    if test is None:
        test, sign = scores.pairs.get(column, {}).get(row), -1.0
    if test is None:
        return PairCell("")
    if test.difference is None:
        return PairCell(MISSING, words="not tested")
    metric = scores.ranks_by
    mean, *ends = (sign * value for value in test.difference)
    text = signed(mean, metric)
    words = f"95 % interval {signed_interval(sorted(ends), metric)}{_p(test)}"
    if not test.significant:
        return PairCell(text, words=words)
    return PairCell(text, "better" if (mean > 0) == metric.higher_is_better else "worse", words)


def _p(test: Comparison) -> str:
    return "" if test.p_adjusted is None else f", corrected p = {test.p_adjusted:.3g}"
