"""``label.csv`` in MMSA's form, as columns of strings that know the line they came from."""

from __future__ import annotations

import csv
import io
import math
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from merbench.api.did_you_mean import did_you_mean
from merbench.api.errors import DataError
from merbench.api.material.delimited import delimiter_of, number_of, text_of
from merbench.results.records.sealed import require_file


@dataclass(frozen=True)
class Table:
    """N data rows. ``lines``: the line of the file on which each row ends (a quoted cell may span
    several). ``ids``: [N], unique.
    """

    path: Path
    cells: dict[str, list[str]]
    lines: list[int]

    @cached_property
    def ids(self) -> list[str]:
        """[N]: video_id + "_" + clip_id; DataError where two rows have the same."""
        ids = [
            f"{video}_{clip}"
            for video, clip in zip(self.column("video_id"), self.column("clip_id"), strict=True)
        ]
        line_by_id: dict[str, int] = {}
        for row, name in enumerate(ids):
            if name in line_by_id:
                raise self.error(
                    row,
                    f"the id {name!r} is already on line {self.lines[line_by_id[name]]}; "
                    "give each row its own clip_id",
                )
            line_by_id[name] = row
        return ids

    def __len__(self) -> int:
        return len(self.lines)

    def error(self, row: int, sentence: str) -> DataError:
        return DataError(f"{self.path}, line {self.lines[row]}: {sentence}")

    def column(self, name: str) -> list[str]:
        """Its cells; DataError where there is no such column."""
        if name not in self.cells:
            raise DataError(
                f"{self.path} has no column {name!r}; "
                f"{did_you_mean(name, self.cells)} Add it, or name another in dataset.toml"
            )
        return self.cells[name]

    def numbers(
        self, name: str, low: float = -math.inf, high: float = math.inf
    ) -> tuple[np.ndarray, np.ndarray]:
        """``(values [N] float64, known [N] bool)``; an empty cell is unknown and 0. Values are held
        to [low, high].

        Raises DataError for a cell that is no finite number, or outside [low, high] by more than
        rounding (1e-4 of the range).
        """
        slack = 1e-4 * (high - low)
        fix = (
            f"put a number between {low:g} and {high:g}" if math.isfinite(slack) else "put a number"
        )
        values, known = np.zeros(len(self)), np.ones(len(self), dtype=bool)
        for row, cell in enumerate(self.column(name)):
            if not cell.strip():
                known[row] = False
                continue
            try:
                value = number_of(cell)
            except ValueError:
                value = math.nan
            if not math.isfinite(value) or value < low - slack or value > high + slack:
                raise self.error(
                    row,
                    f"column {name!r} holds {cell[:40]!r}; "
                    f"{fix}, or leave the cell empty where it is unknown",
                )
            values[row] = min(max(value, low), high)
        return values, known


def read_table(path: Path) -> Table:
    """Raises DataError for a file that is missing, empty, not UTF-8 (a byte-order mark is allowed)
    or not CSV with a header. Its columns may also be separated by tabs, semicolons or bars.
    """
    header, rows, lines = _parse(path, _read_text(path))
    if not rows:
        raise DataError(f"{path} has no rows; it needs a header and one line an utterance")
    if len(set(header)) != len(header):
        twice = next(name for name in header if header.count(name) > 1)
        raise DataError(f"{path}, line 1: two columns are named {twice!r}; rename one")
    columns = zip(header, zip(*rows, strict=True), strict=True)
    return Table(path, {name: list(cells) for name, cells in columns}, lines)


def _read_text(path: Path) -> str:
    try:
        require_file(path)
        data = path.read_bytes()
    except (OSError, ValueError) as error:
        raise DataError(
            f"{path} cannot be read ({_reason(error)}); "
            "a feature folder needs its label file, in MMSA's label.csv form"
        ) from None
    try:
        text = text_of(data)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise DataError(
            f"{path}, line {line}: a byte is not UTF-8; save the file with the encoding UTF-8"
        ) from None
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise DataError(f"{path}, line {line}: a NUL byte; save the file as plain UTF-8 text")
    return text


def _parse(path: Path, text: str) -> tuple[list[str], list[list[str]], list[int]]:
    """The header, the cells of each row, and the line of the file on which each row ends."""
    header: list[str] = []
    rows: list[list[str]] = []
    lines: list[int] = []
    reader = csv.reader([])  # replaced below; `delimiter_of` can fail too
    try:
        delimiter = delimiter_of(text)
        # Strict: an unclosed quote would otherwise swallow the rest of the file as one cell.
        reader = csv.reader(io.StringIO(text, newline=""), strict=True, delimiter=delimiter)
        header = [name.strip() for name in next(reader, [])]
        for row in reader:
            if not any(cell.strip() for cell in row):  # as spreadsheets leave at the end
                continue
            if len(row) != len(header):
                raise DataError(
                    f"{path}, line {reader.line_num}: {len(row)} cells where the header has "
                    f"{len(header)}; quote cells that hold a comma"
                )
            rows.append(row)
            lines.append(reader.line_num)
    except csv.Error as error:
        raise DataError(
            f"{path}, line {reader.line_num}: not CSV ({error}); "
            "close every quote and double a quote inside a cell"
        ) from None
    return header, rows, lines


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)
