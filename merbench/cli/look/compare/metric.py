"""The metric that a comparison is of."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from merbench.report.scores.rows.entries import Board


def chosen_metric(metric: str | None, board: Board) -> str:
    """The metric that was asked for, or the one that ranks."""
    from merbench.api.errors import RequestError
    from merbench.host.catalog import unknown

    if metric and metric not in board.metrics:
        known = list(board.metrics)
        raise RequestError(unknown("metric", metric, known, f"--metric of a {board.kind} task"))
    return metric or board.metrics.ranking
