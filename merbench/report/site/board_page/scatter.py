"""The points of the interactive figure: a row's score against what it costs."""

from __future__ import annotations

from collections.abc import Sequence

from merbench.report.scores.board.board_scores import BoardScores
from merbench.report.scores.rows.entries import Board
from merbench.report.site.board_page.rows import TableRow
from merbench.report.tables.board_sheet import trainable, training_seconds


def points(
    rows: Sequence[TableRow], scores: BoardScores, board: Board
) -> list[list[str | float | None]]:
    """``[name, group, score, low, high, trainable, seconds, short title, title]`` of each row with
    a score and a cost; scores as they are shown.
    """
    rows_with_cost: list[list[str | float | None]] = []
    for row in rows:
        entry, scored = board.by_name.get(row.name), scores.rows.get(row.name)
        if entry is None or scored is None or scores.metric not in scored.summary:
            continue
        scale = scores.ranks_by.scale
        ends = scored.intervals.get(scores.metric, (None, None))
        low, high = (None if end is None else round(scale * end, 6) for end in ends)
        mean = round(scale * scored.summary[scores.metric].mean, 6)
        seconds = round(training_seconds(entry), 3)
        cost = [trainable(entry), seconds]
        titles = [board.short_titles[row.name], entry.title]
        rows_with_cost.append([row.name, row.group, mean, low, high, *cost, *titles])
    return rows_with_cost
