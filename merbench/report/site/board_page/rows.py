"""The rows of a board's page: floors and the optimum among the models by score, ablations under
their model, claims last.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from merbench.api.declarations.metrics import MetricFacts
from merbench.report.scores.board.board_scores import BoardScores
from merbench.report.scores.rows.entries import Board, Entry
from merbench.report.site.axis import Axis
from merbench.report.tables.board_sheet import (
    ABLATIONS,
    OPTIMUM,
    Sheet,
    trainable,
    training_seconds,
)
from merbench.report.tables.numbers import MISSING, number
from merbench.report.tables.table import FLOORS, Row, best

MODELS = "models"
LAST = ("trainable", "training", "tuning", "seeds")


@dataclass(frozen=True)
class TableColumn:
    """``direction``: ↑ where higher is better, ↓ where lower is, empty for what is no metric."""

    key: str
    title: str
    direction: str = ""


@dataclass(frozen=True)
class TableCell:
    """``sort``: what it sorts by (None comes last); ``best``: of its column; ``bar``: where an
    interval begins, has its mean and ends, in percent of the cell's width.
    """

    text: str
    spread: str = ""
    sort: float | None = None
    best: bool = False
    bar: tuple[float, float, float] | None = None


@dataclass(frozen=True)
class TableRow:
    """``name`` is unique; readers see ``label`` and ``settings``. ``under``: the row that it is an
    ablation of; ``ablations``: how many rows are folded under it; ``opens``: True if it has runs to
    show.
    """

    name: str
    label: str
    settings: str
    group: str
    cells: tuple[TableCell, ...]
    opens: bool
    under: str = ""
    ablations: int = 0


def table_columns(scores: BoardScores) -> list[TableColumn]:
    """The ranking metric stands beside the name, so that a phone shows both; metrics that are no
    headline come last.
    """
    headline = [m for m in scores.headline if m != scores.metric]
    more = [m for m in scores.metrics if m not in scores.headline]
    return [
        TableColumn("rank", "rank"),
        _metric_column(scores.ranks_by),
        TableColumn("interval", f"{scores.ranks_by.title}, 95 % interval"),
        *(_metric_column(scores.metrics[m]) for m in headline),
        *(TableColumn(key, key) for key in LAST),
        *(_metric_column(scores.metrics[m]) for m in more),
    ]


def _metric_column(metric: MetricFacts) -> TableColumn:
    return TableColumn(metric.name, metric.title, "↑" if metric.higher_is_better else "↓")


def table_rows(
    board: Board, scores: BoardScores, sheet: Sheet, columns: Sequence[TableColumn]
) -> list[TableRow]:
    entries = board.by_name
    bold = best(sheet.columns, sheet.rows)
    bases = {name: test.against for name, test in scores.ablations.items()}
    bars = _bars(scores)
    rows = []
    for row in sheet.rows:
        base = bases.get(row.name, "") if row.group == ABLATIONS else ""
        cells = tuple(_cell(row, column.key, scores, bold, entries, bars) for column in columns)
        rows.append(
            TableRow(
                row.name,
                row.shown_name,
                entries[row.name].shown_settings if row.name in entries else "",
                row.group or MODELS,
                cells,
                row.name in entries,
                base if base in scores.rows else "",
                sum(against == row.name for against in bases.values()),
            )
        )
    return _ordered(rows, columns, scores)


def _ordered(
    rows: Sequence[TableRow], columns: Sequence[TableColumn], scores: BoardScores
) -> list[TableRow]:
    ranking_column = [column.key for column in columns].index(scores.metric)
    sign = -1 if scores.ranks_by.higher_is_better else 1

    def value(row: TableRow) -> float:
        score = row.cells[ranking_column].sort
        return math.inf if score is None else sign * score

    by_score = [row for row in rows if row.group in (MODELS, FLOORS, OPTIMUM)]
    folded = {row.name: [r for r in rows if r.under == row.name] for row in by_score}
    ordered: list[TableRow] = []
    for row in sorted(by_score, key=value):
        ordered += [row, *sorted(folded[row.name], key=value)]
    placed = {id(row) for row in ordered}
    return ordered + [row for row in rows if id(row) not in placed]


def _cell(
    row: Row,
    key: str,
    scores: BoardScores,
    bold: Mapping[str, str],
    entries: Mapping[str, Entry],
    bars: Mapping[str, tuple[float, float, float]],
) -> TableCell:
    cell, metric = row.cells.get(key, ""), scores.metrics.get(key)
    if isinstance(cell, str):
        bar = bars.get(row.name) if key == "interval" else None
        return TableCell(cell or MISSING, sort=_exact(row, key, scores, entries), bar=bar)
    if cell.mean is None or math.isnan(cell.mean) or metric is None:
        return TableCell(MISSING)
    text = number(cell.mean, metric)
    spread = "" if cell.sd is None or math.isnan(cell.sd) else number(cell.sd, metric)
    is_best = not row.group and text == bold.get(key)
    return TableCell(text, spread, round(cell.mean, 6), is_best)


def _bars(scores: BoardScores) -> dict[str, tuple[float, float, float]]:
    """Name -> its interval on an axis that holds those of the ranked rows."""
    metric = scores.metric
    ranked = [scores.rows[name] for name in scores.standings]
    axis = Axis.over(row.intervals[metric] for row in ranked if metric in row.intervals)
    bars = {}
    for name, row in scores.rows.items():
        if metric in row.intervals and metric in row.summary:
            low, high = row.intervals[metric]
            bars[name] = (axis.place(low), axis.place(row.summary[metric].mean), axis.place(high))
    return bars


def _exact(row: Row, key: str, scores: BoardScores, entries: Mapping[str, Entry]) -> float | None:
    """The number behind a text such as ``12 min``."""
    entry, scored = entries.get(row.name), scores.all_rows.get(row.name)
    if entry is None or scored is None:
        return None
    standing = scores.standings.get(row.name)
    tuned, ends = entry.first.tuned_by, scored.intervals.get(scores.metric)
    values: dict[str, float | None] = {
        "rank": standing.rank if standing else None,
        "seeds": len(scored.seeds),
        "trainable": trainable(entry),
        "training": round(training_seconds(entry), 3),
        "tuning": round(tuned["seconds"], 1) if tuned else None,
        "interval": round(ends[0], 6) if ends else None,
    }
    return values.get(key)
