"""A file of predictions as columns, whatever its form; nothing is interpreted yet."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from merbench.api.errors import DataError
from merbench.api.first_line import first_line
from merbench.data.folder.label_table import read_table

FORMS = (".csv", ".jsonl", ".npz", ".parquet")
LARGEST = 2 * 10**9
"""Bytes of all arrays of a file."""


@dataclass(frozen=True)
class Table:
    """``columns``: name -> N cells, text in csv, else what the file holds; None = no cell there.
    ``places`` [N]: where each row stands, in words.
    """

    path: Path
    columns: Mapping[str, Sequence[Any]]
    places: Sequence[str]

    def __len__(self) -> int:
        return len(self.places)

    def error(self, row: int, sentence: str) -> DataError:
        return DataError(f"{self.path}, {self.places[row]}: {sentence}")


def read(path: Path) -> Table:
    """DataError, in one sentence, for a file that is missing, of another form, empty or damaged."""
    if path.suffix not in FORMS:
        raise DataError(
            f"{path}: predictions are read from {', '.join(FORMS)}, by the end of the file's name"
        )
    if not path.is_file():
        raise DataError(f"{path} is not there; name a file of predictions")
    if path.suffix == ".csv":
        csv_table = read_table(path)
        return Table(path, csv_table.cells, [f"line {line}" for line in csv_table.lines])
    readers = {".jsonl": _jsonl, ".npz": _npz, ".parquet": _parquet}
    table = readers[path.suffix](path)
    if not len(table):
        raise DataError(f"{path} has no rows; it needs one for each test row")
    return table


def _jsonl(path: Path) -> Table:
    rows, places = [], []
    try:
        text = path.read_text("utf-8-sig")
    except UnicodeDecodeError:
        raise DataError(f"{path} is not UTF-8; save it with that encoding") from None
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line, object_pairs_hook=_object)
        except _RepeatedName as error:
            raise DataError(f"{path}, line {number}: it has {error} twice; keep one") from None
        except (ValueError, RecursionError):
            row = None
        if not isinstance(row, dict):
            raise DataError(
                f"{path}, line {number}: not a JSON object; "
                'write one a line, such as {"id": "a", "score": 1.5}'
            )
        rows.append(row)
        places.append(f"line {number}")
    names = dict.fromkeys(name for row in rows for name in row)
    return Table(path, {name: [row.get(name) for row in rows] for name in names}, places)


class _RepeatedName(ValueError):
    """Of two values under one name, Python's reader keeps the last."""


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    row: dict[str, Any] = {}
    for name, value in pairs:
        if name in row:
            raise _RepeatedName(repr(name))
        row[name] = value
    return row


def _npz(path: Path) -> Table:
    try:
        with zipfile.ZipFile(path) as archive:
            size = sum(member.file_size for member in archive.infolist())
        if size > LARGEST:
            raise ValueError(f"it unpacks to over {LARGEST // 10**9} GB")
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
    except Exception as error:  # a damaged file can fail in any layer: zip, zlib, the array header
        reason = first_line(error)
        raise DataError(
            f"{path} cannot be read as .npz ({reason[:120]}); "
            "write it with numpy.savez, from arrays of numbers and strings"
        ) from None
    lengths = {name: len(array) if array.ndim == 1 else -1 for name, array in arrays.items()}
    rows = next(iter(lengths.values()), 0)
    if wrong := next((name for name, n in lengths.items() if n != rows or n < 0), None):
        raise DataError(
            f"{path}: array {wrong!r} has the shape {arrays[wrong].shape}; "
            "give one array a column, each with one entry a row"
        )
    columns = {name: array.tolist() for name, array in arrays.items()}
    return Table(path, columns, [f"row {row + 1}" for row in range(rows)])


def _parquet(path: Path) -> Table:
    try:
        from pyarrow import parquet
    except ImportError:
        raise DataError(
            f"{path}: reading .parquet needs the package pyarrow; install it, or write .csv"
        ) from None
    try:
        table = parquet.read_table(path)
        columns = table.to_pydict()
    except Exception as error:  # a damaged file can fail in any layer
        reason = first_line(error)
        raise DataError(
            f"{path} cannot be read as .parquet ({reason[:120]}); write it anew"
        ) from None
    return Table(path, columns, [f"row {row + 1}" for row in range(table.num_rows)])
