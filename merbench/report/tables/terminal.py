"""A table at a terminal: rows are never folded; columns without room are left out and named."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from string import ascii_lowercase

from rich import box
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from merbench.report.tables.table import (
    BETWEEN,
    FLOORS,
    Column,
    Row,
    best,
    heading,
    sections,
    shown,
)

LETTERED = 12
"""Longest cell of a column of words that keeps its words where there is no room for all columns."""
LEAST = 2
"""So many columns stay however narrow the terminal is; then names are folded."""


def table(
    title: str,
    columns: Sequence[Column],
    rows: Sequence[Row],
    *,
    name: str = "model",
    notes: Sequence[str] = (),
    width: int | None = None,
    most: int | None = None,
) -> Table:
    """For people. ``name`` is the heading of the rows' names; ``notes`` are the caption. ``width``:
    of the terminal; None where nothing has to be left out. ``most``: rows of each section.
    """
    drawn = _drawn(title, columns, rows, name, notes, most)
    if width is None or _needs(drawn) <= width:
        return drawn
    lettered, legend = _lettered(columns, rows)
    for fewer in narrower(columns):
        costs_left = not any(column.leaves for column in fewer)
        shown_rows, words = (lettered, legend) if costs_left else (rows, [])
        every_note = [*words, *notes, *_left_out(columns, fewer, width)]
        drawn = _drawn(title, fewer, shown_rows, name, every_note, most, folds_headings=True)
        if _needs(drawn) <= width:
            return drawn
    drawn.columns[0].no_wrap, drawn.columns[0].max_width = False, width // 3
    return drawn


def narrower(columns: Sequence[Column]) -> Iterator[list[Column]]:
    """One thing less each time: columns that leave, halves of pairs, deviations, then columns from
    the right.
    """
    left = list(columns)
    if not any(column.leaves for column in left):
        yield list(left)
    while leaving := [column for column in left if column.leaves]:
        first = max(column.leaves for column in leaving)
        left.remove(next(column for column in reversed(left) if column.leaves == first))
        yield list(left)
    for column in reversed(list(left)):
        if column.half:
            left[left.index(column)] = column.half
            yield list(left)
    left = [replace(column, deviation=False) for column in left]
    yield list(left)
    while len(left) > LEAST:
        left.pop()
        yield list(left)


def _lettered(columns: Sequence[Column], rows: Sequence[Row]) -> tuple[list[Row], list[str]]:
    """The rows with a letter in place of each long text, so that no row is folded; and what the
    letters stand for: ``settings: a = text tower frozen, not searched; b = ...``.
    """
    lettered, legend = list(rows), []
    for column in columns:
        (key, *_), texts = column.keys, dict.fromkeys(_texts(column, rows))
        if not column.text or max(map(len, texts), default=0) <= LETTERED:
            continue
        many = len(texts) > len(ascii_lowercase)
        letters = {
            text: str(at + 1) if many else ascii_lowercase[at] for at, text in enumerate(texts)
        }
        lettered = [
            replace(row, cells={**row.cells, key: letters.get(str(row.cells.get(key)), "")})
            for row in lettered
        ]
        meanings = "; ".join(f"{letter} = {text}" for text, letter in letters.items())
        legend.append(f"{column.title}: {meanings}")
    return lettered, legend


def _texts(column: Column, rows: Sequence[Row]) -> list[str]:
    cells = (row.cells.get(column.keys[0]) for row in rows)
    return [cell for cell in cells if cell and isinstance(cell, str)]


def _left_out(
    columns: Sequence[Column], shown_columns: Sequence[Column], width: int
) -> Iterator[str]:
    keys = {key for column in shown_columns for key in column.keys}
    titles = []
    for column in columns:
        if keys.isdisjoint(column.keys):
            titles.append(column.title)
        elif not keys.issuperset(column.keys):
            titles.append(column.title.partition(BETWEEN)[0])
    if not all(column.deviation for column in shown_columns):
        titles.append("± deviations over seeds")
    if titles:
        yield (
            f"left out in {width} columns: {', '.join(titles)}; a wider terminal shows them, "
            "and so does | less -S"
        )


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
    most: int | None,
    folds_headings: bool = False,
) -> Table:
    drawn = Table(
        title=Text(title),
        title_justify="left",
        caption=Text("\n".join(notes)) if notes else None,
        caption_justify="left",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
    )
    drawn.add_column(Text(name), no_wrap=True, overflow="fold")
    for column in columns:
        text = _in_two_lines(heading(column)) if folds_headings else heading(column)
        drawn.add_column(
            Text(text),
            justify="left" if column.text else "right",
            overflow="fold",
        )
    bold = best(columns, rows)
    for group, members in sections(rows):
        if group:
            drawn.add_section()
            drawn.add_row(Text(group), style="dim italic")
        for row in members[:most]:
            texts = [_cell(row, column, bold) for column in columns]
            drawn.add_row(Text(_row_name(row)), *texts, style="dim" if row.group else "")
    return drawn


def _in_two_lines(text: str) -> str:
    """``Acc-2 non0 ↑`` has ``Acc-2`` above ``non0 ↑``; ``MAE ↓`` stays as it is."""
    return text.replace(" ", "\n", 1) if text.count(" ") > 1 else text


def _row_name(row: Row) -> str:
    return f"{row.shown_name} (floor)" if row.group == FLOORS else row.shown_name


def _cell(row: Row, column: Column, bold: Mapping[str, str]) -> Text:
    return Text(BETWEEN).join(_styled(row, column, key, bold) for key in column.keys)


def _styled(row: Row, column: Column, key: str, bold: Mapping[str, str]) -> Text:
    text, strong = shown(row, column, key, bold)
    return Text(text, style="bold" if strong else "")
