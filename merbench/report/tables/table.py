"""One description of a table (columns, rows of cells) and its form in Markdown; ``terminal.py`` and
``latex.py`` have others.

Rows with an empty ``group`` are ranked: the best of them is bold in each column that has a
direction. Floors stand among them, where their scores belong; rows of other groups (ablations, an
optimum) follow. None of these is ranked.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeGuard

from merbench.api.declarations.metrics import MetricFacts
from merbench.report.tables.numbers import MISSING, interval, number

BETWEEN = " / "
FLOORS = "floors"
Best = Literal["highest", "lowest"]


@dataclass(frozen=True)
class Cell:
    """``mean`` over ``n`` seeds with ``sd``, and the ends of an interval; what is None or nan is
    not shown.
    """

    mean: float | None = None
    sd: float | None = None
    n: int | None = None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Column:
    """``keys``: which cells of a row stand here, one or two. Shown are ``scale`` times the values,
    with ``digits`` decimals. ``text``: it holds words, which stand to the left.

    Where there is no room for all columns, those of the highest ``leaves`` are left out first, and
    a pair becomes ``half`` and deviations go (``deviation``) before any column that stays
    (``leaves`` 0) is left out.
    """

    title: str
    keys: tuple[str, ...]
    digits: int = 3
    scale: float = 1.0
    best: Best | None = None
    leaves: int = 0
    half: Column | None = None
    deviation: bool = True
    text: bool = False


@dataclass(frozen=True)
class Row:
    """``cells`` by key; a text is shown as it is, a key that is not there as missing. ``name`` is
    unique; ``label`` is what stands in the first column where it is another.
    """

    name: str
    cells: Mapping[str, Cell | str]
    group: str = ""
    label: str = ""

    @property
    def shown_name(self) -> str:
        return self.label or self.name


STAY = frozenset({"mae", "corr", "acc2_has0", "acc2_non0", "acc7"})
"""Metrics of a score that stay in a narrow terminal; of other tasks all do, the first longest."""
LEAVES_METRIC, LEAVES_INTERVAL, LEAVES_COST = 1, 2, 3


def metric_columns(
    metrics: Mapping[str, MetricFacts], names: Sequence[str], ranking: str = ""
) -> tuple[Column, ...]:
    """A column a metric; two that are a ``pair`` share one where both are asked for. ``ranking``:
    the metric that rows are ranked by, which comes first where it is none of the usual ones.
    """
    ranks = (name for name in names if ranking in (name, metrics[name].pair))
    leading = next(ranks, "") if ranking else ""
    if leading and leading not in STAY:
        names = [leading, *(name for name in names if name != leading)]
    columns = []
    seconds = {metrics[name].pair for name in names}
    some_stay = not STAY.isdisjoint(names)
    for name in names:
        if name in seconds:
            continue
        metric = metrics[name]
        leaves = LEAVES_METRIC if some_stay and name not in {*STAY, leading} else 0
        column = _metric_column(metric, leaves)
        if metric.pair in names:
            second = metrics[metric.pair]
            column = replace(
                column,
                keys=(name, second.name),
                title=_both(metric.title, second.title),
                half=_metric_column(metric if name == ranking else second, leaves),
            )
        columns.append(column)
    return tuple(columns)


def _metric_column(metric: MetricFacts, leaves: int) -> Column:
    best: Best = "highest" if metric.higher_is_better else "lowest"
    return Column(metric.title, (metric.name,), metric.digits, metric.scale, best, leaves)


def _both(first: str, second: str) -> str:
    """("Acc-2 has0", "Acc-2 non0") -> "Acc-2 has0 / non0"."""
    return f"{first}{BETWEEN}{second.removeprefix(first.rpartition(' ')[0]).strip()}"


def to_markdown(
    title: str,
    columns: Sequence[Column],
    rows: Sequence[Row],
    *,
    name: str = "model",
    notes: Sequence[str] = (),
) -> str:
    """A pipe table with the title as heading; the names of a group's rows are followed by it."""
    bold = best(columns, rows)
    aligned = ("---" if column.text else "---:" for column in columns)
    lines = [[name, *(heading(column) for column in columns)], ["---", *aligned]]
    for _, members in sections(rows):
        for row in members:
            texts = [
                BETWEEN.join(
                    f"**{text}**" if strong else text
                    for text, strong in (shown(row, column, key, bold) for key in column.keys)
                )
                for column in columns
            ]
            lines.append([markdown_name(row), *texts])
    body = "\n".join(
        "| " + " | ".join(_in_markdown(text) for text in line) + " |" for line in lines
    )
    escaped = [_without_html(" ".join(note.split("\n"))) for note in notes]
    heading_line = _without_html(" ".join(title.split("\n")))
    return f"### {heading_line}\n\n{body}\n" + "".join(f"\n{note}\n" for note in escaped)


def _in_markdown(text: str) -> str:
    return _without_html(text).replace("|", "\\|").replace("\n", " ")


def _without_html(text: str) -> str:
    """Signs that would begin a tag, an entity or the address of a link, spelled out; a lone ``&``
    or ``<`` is none.
    """
    text = re.sub(r"&(?=[#\w]+;)", "&amp;", text)
    text = re.sub(r"<(?=[a-zA-Z/!?])", "&lt;", text)
    return re.sub(r"\](?=[(:])", r"\\]", text)


def markdown_name(row: Row) -> str:
    return f"*{row.shown_name}* ({row.group})" if row.group else row.shown_name


def sections(rows: Sequence[Row]) -> Iterator[tuple[str, list[Row]]]:
    """Ranked rows with the floors among them, then the groups in the order in which they appear."""
    groups = dict.fromkeys(row.group for row in rows if row.group not in ("", FLOORS))
    if ranking := [row for row in rows if row.group in ("", FLOORS)]:
        yield "", ranking
    for group in groups:
        yield group, [row for row in rows if row.group == group]


def floors_among(rows: Sequence[Row], metric: MetricFacts) -> list[Row]:
    """``rows`` from best to worst by ``metric``; what has no score comes last."""

    def place(row: Row) -> float:
        cell = row.cells.get(metric.name)
        if not isinstance(cell, Cell) or not _defined(cell.mean):
            return math.inf
        return -cell.mean if metric.higher_is_better else cell.mean

    return sorted(rows, key=place)


def heading(column: Column) -> str:
    return column.title + {"highest": " ↑", "lowest": " ↓", None: ""}[column.best]


def _defined(value: float | None) -> TypeGuard[float]:
    return value is not None and not math.isnan(value)


def _text(cell: Cell | str, column: Column) -> str:
    """``0.953 ± 0.012 [0.901, 1.002]``, each part where it is there."""
    if isinstance(cell, str):
        return cell or MISSING
    if not _defined(cell.mean):
        return MISSING
    text = number(cell.mean, column)
    if column.deviation and _defined(cell.sd):
        text += f" ± {number(cell.sd, column)}"
    if _defined(cell.low) and _defined(cell.high):
        text += f" {interval((cell.low, cell.high), column)}"
    return text


def best(columns: Sequence[Column], rows: Sequence[Row]) -> dict[str, str]:
    """Key -> the best mean as it is shown (so equals are all best), among at least two ranked rows
    that have one.
    """
    best_by_key = {}
    for column in columns:
        for key in column.keys:
            cells = [row.cells.get(key) for row in rows if not row.group]
            means = [cell.mean for cell in cells if isinstance(cell, Cell) and _defined(cell.mean)]
            if column.best and len(means) > 1:
                value = max(means) if column.best == "highest" else min(means)
                best_by_key[key] = number(value, column)
    return best_by_key


def shown(row: Row, column: Column, key: str, bold: Mapping[str, str]) -> tuple[str, bool]:
    """The text of a cell and whether it is bold."""
    cell = row.cells.get(key, "")
    mean = cell.mean if isinstance(cell, Cell) else None
    return _text(cell, column), not row.group and _defined(mean) and number(
        mean, column
    ) == bold.get(key)
