"""The first rows of a board at a glance: means and intervals on a common scale."""

from __future__ import annotations

from dataclasses import dataclass

from merbench.report.scores.board.board_scores import BoardScores
from merbench.report.scores.rows.entries import Board
from merbench.report.site.axis import Axis
from merbench.report.tables.numbers import number

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


@dataclass(frozen=True)
class Strip:
    """``low``, ``high``: the ends of the scale."""

    marks: tuple[Mark, ...]
    low: str
    high: str


def strip(board: Board, scores: BoardScores) -> Strip:
    """The best ranked rows and the strongest floor, from best to worst."""
    entries = board.by_name
    scored = [n for n in scores.rows if n in entries and scores.metric in scores.rows[n].summary]
    models = [n for n in scored if n in scores.standings][:MODELS]
    floors = [n for n in scored if entries[n].floor][:1]
    means = {n: scores.rows[n].summary[scores.metric].mean for n in (*models, *floors)}
    ends = {n: scores.rows[n].intervals.get(scores.metric, (means[n], means[n])) for n in means}
    axis = Axis.over(ends.values())
    marks = [
        Mark(
            entries[n].label,
            entries[n].shown_settings,
            entries[n].floor,
            number(means[n], scores.ranks_by),
            axis.place(means[n]),
            axis.place(ends[n][0]),
            axis.place(ends[n][1]),
        )
        for n in scored
        if n in means
    ]
    low, high = (number(end, scores.ranks_by) for end in (axis.low, axis.high))
    return Strip(tuple(marks), low, high)
