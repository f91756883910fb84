"""One description of a table (columns, rows of cells), three renderings: for the terminal, as
Markdown, as CSV. ``latex.py`` has a fourth.

Rows with an empty ``group`` are ranked: the best of them is bold in each column that has a
direction. Rows of a named group (floors, an optimum) follow it dimmed and are never ranked.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeGuard

from rich import box
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from merbench.api.declarations.metrics import MetricFacts

MISSING = "–"
BETWEEN = " / "
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
    with ``digits`` decimals.
    """

    title: str
    keys: tuple[str, ...]
    digits: int = 3
    scale: float = 1.0
    best: Best | None = None


@dataclass(frozen=True)
class Row:
    """``cells`` by key; a text is shown as it is, a key that is not there as missing."""

    name: str
    cells: Mapping[str, Cell | str]
    group: str = ""


def metric_columns(metrics: Mapping[str, MetricFacts], names: Sequence[str]) -> tuple[Column, ...]:
    """A column a metric; two that are a ``pair`` share one where both are asked for."""
    columns = []
    seconds = {metrics[name].pair for name in names}
    for name in names:
        metric = metrics[name]
        if name in seconds:
            continue
        keys: tuple[str, ...] = (name,)
        title = metric.title
        if metric.pair in names:
            keys, title = (name, metric.pair), _both(metric.title, metrics[metric.pair].title)
        best: Best = "highest" if metric.higher_is_better else "lowest"
        columns.append(Column(title, keys, metric.digits, metric.scale, best))
    return tuple(columns)


def _both(first: str, second: str) -> str:
    """("Acc-2 has0", "Acc-2 non0") -> "Acc-2 has0 / non0"."""
    return f"{first}{BETWEEN}{second.removeprefix(first.rpartition(' ')[0]).strip()}"


def table(
    title: str,
    columns: Sequence[Column],
    rows: Sequence[Row],
    *,
    name: str = "model",
    notes: Sequence[str] = (),
    width: int | None = None,
) -> Table:
    """For people, at a terminal. ``name`` is the heading of the rows' names; ``notes`` stand below.

    Where the terminal's ``width`` is too small, pairs stand in two lines and long names in several;
    then columns are left out from the right, but never the first three, and a note names them.
    """
    drawn = _drawn(title, columns, rows, name, notes)
    for n in range(len(columns), min(len(columns), 3) - 1, -1):
        if width is None or _needs(drawn) <= width:
            break
        left = ", ".join(column.title for column in columns[n:])
        said = (
            [
                (
                    f"left out in {width} columns: {left}; "
                    "a wider terminal shows them, and so does | less -S"
                )
            ]
            if left
            else []
        )
        drawn = _drawn(
            title, columns[:n], rows, name, [*notes, *said], f"{BETWEEN.rstrip()}\n", width // 3
        )
    return drawn


def _needs(drawn: Table) -> int:
    """The width in which nothing is folded."""
    console = Console(width=10_000)
    return Measurement.get(console, console.options, drawn).maximum


def _drawn(
    title: str,
    columns: Sequence[Column],
    rows: Sequence[Row],
    name: str,
    notes: Sequence[str],
    between: str = BETWEEN,
    longest: int | None = None,
) -> Table:
    drawn = Table(
        title=Text(title),
        title_justify="left",
        caption=Text("\n".join(notes)) if notes else None,
        caption_justify="left",
        box=box.SIMPLE_HEAD,
    )
    drawn.add_column(Text(name), no_wrap=longest is None, overflow="fold", max_width=longest)
    for column in columns:
        drawn.add_column(
            Text(heading(column).replace(BETWEEN, between)), justify="right", overflow="fold"
        )
    bold = best(columns, rows)
    for group, members in sections(rows):
        if group:
            drawn.add_section()
            drawn.add_row(Text(group), style="dim italic")
        for row in members:
            texts = [
                Text(between).join(_styled(row, column, key, bold) for key in column.keys)
                for column in columns
            ]
            drawn.add_row(Text(row.name), *texts, style="dim" if group else "")
    return drawn


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
    lines = [[name, *(heading(column) for column in columns)], ["---", *("---:" for _ in columns)]]
    for group, members in sections(rows):
        for row in members:
            texts = [
                BETWEEN.join(
                    f"**{text}**" if strong else text
                    for text, strong in (shown(row, column, key, bold) for key in column.keys)
                )
                for column in columns
            ]
            lines.append([f"*{row.name}* ({group})" if group else row.name, *texts])
    body = "\n".join(
        "| " + " | ".join(text.replace("|", "\\|").replace("\n", " ") for text in line) + " |"
        for line in lines
    )
    return f"### {title}\n\n{body}\n" + "".join(f"\n{note}\n" for note in notes)


def to_csv(columns: Sequence[Column], rows: Sequence[Row], *, name: str = "model") -> str:
    """For programs, not scaled or rounded.

    ``<key>`` is a mean or a text; ``<key>_sd``, ``_n``, ``_low``, ``_high`` follow where any row
    has them.
    """
    keys = [key for column in columns for key in column.keys]
    parts = [
        (key, part)
        for key in keys
        for part in ("mean", "sd", "n", "low", "high")
        if part == "mean" or any(_part(row, key, part) != "" for row in rows)
    ]
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(
        [name, "group", *(key if part == "mean" else f"{key}_{part}" for key, part in parts)]
    )
    for _, members in sections(rows):
        writer.writerows(
            [row.name, row.group, *(_part(row, key, part) for key, part in parts)]
            for row in members
        )
    return out.getvalue()


def sections(rows: Sequence[Row]) -> Iterator[tuple[str, list[Row]]]:
    """Ranked rows first, then the groups in the order in which they appear."""
    for group in sorted(
        {row.group for row in rows}, key=lambda g: (g != "", [row.group for row in rows].index(g))
    ):
        yield group, [row for row in rows if row.group == group]


def heading(column: Column) -> str:
    return column.title + {"highest": " ↑", "lowest": " ↓", None: ""}[column.best]


def _defined(value: float | None) -> TypeGuard[float]:
    return value is not None and not math.isnan(value)


def number(value: float, column: Column | MetricFacts) -> str:
    return f"{value * column.scale:z.{column.digits}f}"


def _text(cell: Cell | str, column: Column) -> str:
    """``0.953 ± 0.012 [0.901, 1.002]``, each part where it is there."""
    if isinstance(cell, str):
        return cell or MISSING
    if not _defined(cell.mean):
        return MISSING
    text = number(cell.mean, column)
    if _defined(cell.sd):
        text += f" ± {number(cell.sd, column)}"
    if _defined(cell.low) and _defined(cell.high):
        text += f" [{number(cell.low, column)}, {number(cell.high, column)}]"
    return text


def best(columns: Sequence[Column], rows: Sequence[Row]) -> dict[str, str]:
    """Key -> the best mean as it is shown (so equals are all best), among at least two ranked rows
    that have one.
    """
    found = {}
    for column in columns:
        for key in column.keys:
            cells = [row.cells.get(key) for row in rows if not row.group]
            means = [cell.mean for cell in cells if isinstance(cell, Cell) and _defined(cell.mean)]
            if column.best and len(means) > 1:
                found[key] = number(max(means) if column.best == "highest" else min(means), column)
    return found


def shown(row: Row, column: Column, key: str, bold: Mapping[str, str]) -> tuple[str, bool]:
    """The text of a cell and whether it is bold."""
    cell = row.cells.get(key, "")
    mean = cell.mean if isinstance(cell, Cell) else None
    return _text(cell, column), not row.group and _defined(mean) and number(
        mean, column
    ) == bold.get(key)


def _styled(row: Row, column: Column, key: str, bold: Mapping[str, str]) -> Text:
    text, strong = shown(row, column, key, bold)
    return Text(text, style="bold" if strong else "")


def _part(row: Row, key: str, part: str) -> str:
    cell = row.cells.get(key, "")
    if isinstance(cell, str):
        return cell if part == "mean" else ""
    value = getattr(cell, part)
    return str(value) if _defined(value) else ""
