"""What the page says of each superseded row."""

from __future__ import annotations

from dataclasses import dataclass

from merbench.report.scores.board.board_scores import BoardScores
from merbench.report.scores.rows.entries import Board, Entry
from merbench.report.site.run_facts import score_of


@dataclass(frozen=True)
class Corrected:
    """``row``, ``by``: name -> score as text, empty where there is none."""

    date: str
    row: tuple[str, str]
    by: tuple[tuple[str, str], ...]
    reason: str


def correction_of(entry: Entry, board: Board, scores: BoardScores) -> Corrected:
    """``entry``: a superseded row of the board."""
    correction = entry.correction
    assert correction is not None
    by = tuple((e.name, score_of(scores, e.name)) for e in board.superseding(entry))
    row = (entry.name, score_of(scores, entry.name))
    return Corrected(correction.date.isoformat(), row, by, correction.reason)
