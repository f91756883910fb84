"""The first rows of a board at a glance: means and intervals on a common scale."""

from __future__ import annotations

from dataclasses import dataclass

from merbench.report.scores.board.board_scores import BoardScores
from merbench.report.scores.rows.entries import Board
from merbench.report.tables.table import number

MODELS = 5


@dataclass(frozen=True)
class Mark:
    """One row. ``at``, ``low``, ``high``: its mean and interval, in percent of the width."""

    label: str
    settings: str
    floor: bool
    score: str
    at: float
    low: float
    high: float


def strip(board: Board, scores: BoardScores) -> list[Mark]:
    """The best ranked rows and the strongest floor, from best to worst."""
    entries = {e.name: e for e in board.entries}
    scored = [n for n in scores.rows if n in entries and scores.metric in scores.rows[n].summary]
    models = [n for n in scored if n in scores.standings][:MODELS]
    floors = [n for n in scored if entries[n].floor][:1]
    means = {n: scores.rows[n].summary[scores.metric].mean for n in (*models, *floors)}
    ends = {n: scores.rows[n].intervals.get(scores.metric, (means[n], means[n])) for n in means}
    least = min((low for low, _ in ends.values()), default=0.0)
    span = max((high for _, high in ends.values()), default=0.0) - least

    def place(value: float) -> float:
        return round(100 * (value - least) / span, 1) if span else 50.0

    return [
        Mark(
            entries[n].label,
            entries[n].shown_settings,
            entries[n].floor,
            number(means[n], scores.ranks_by),
            place(means[n]),
            place(ends[n][0]),
            place(ends[n][1]),
        )
        for n in scored
        if n in means
    ]
