"""The files of a table: csv, tsv or parquet, one of all rows or one a split."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Container, Sequence
from pathlib import Path
from typing import Any

from merbench.api import DataError, Sink, header_of
from merbench_datasets.pickle_splits import mode_of

_FLOAT = re.compile(r"\d+\.0")
_PARQUET = ".parquet"
_SUFFIXES = (".csv", ".tsv", _PARQUET)
Columns = dict[str, list[str]]


def files_of(path: Path) -> dict[str, Path]:
    """``mode -> file``; ``""`` where one file has all splits, or its name does not tell one. A
    folder of one table may have folders beside it, and no other file.
    """
    if path.is_file():
        of_one_split = path.stem.endswith("_sent_emo")
        return {_mode(path) if of_one_split else "": path} if _is_table(path) else {}
    if not path.is_dir():
        return {}
    entries = [entry for entry in sorted(path.iterdir()) if not entry.name.startswith(".")]
    files_only = [entry for entry in entries if not entry.is_dir()]
    if len(files_only) == 1 and _is_table(files_only[0]) and not _mode(files_only[0]):
        return {"": files_only[0]}
    tables = [file for file in entries if _is_table(file) and _mode(file)]
    files = {_mode(file): file for file in tables}
    complete = files.keys() == {"train", "valid", "test"} and len(files) == len(tables)
    return files if complete else {}


def _is_table(path: Path) -> bool:
    return path.suffix.lower() in _SUFFIXES and not path.name.startswith(".")


def _mode(path: Path) -> str:
    """Of ``train.csv``, ``mine_dev.csv``, ``validation-00000-of-00001.parquet``: the one word of
    the name that is a split.
    """
    modes = {mode_of(word) for word in re.split(r"[^a-z]+", path.stem.lower())} - {""}
    return modes.pop() if len(modes) == 1 else ""


def columns_named(path: Path) -> list[str]:
    """What the columns are called; nothing where the file cannot be read."""
    if path.suffix.lower() != _PARQUET:
        return header_of(path)
    file = _opened(path)
    names, others = _readable(file)
    return names + [name for name in others if _of_labels(file, name)]


def read_columns(path: Path, sink: Sink, listed: Container[str] = ()) -> Columns:
    """All its cells as text, empty where there is none. ``listed``: columns, in lower case, that
    may hold lists of labels. DataError where it cannot be read.
    """
    if path.suffix.lower() != _PARQUET:
        return {name: list(cells) for name, cells in sink.columns(path).items()}
    file = _opened(path)
    names, unreadable = _readable(file)
    lists = [
        name for name in unreadable if name.strip().lower() in listed and _of_labels(file, name)
    ]
    names, unreadable = names + lists, [name for name in unreadable if name not in lists]
    if unreadable:
        sink.note(
            f"not taken over of {path.name}: {', '.join(unreadable)}, which hold no text or number"
        )
    try:
        table = file.read(columns=names)
    except Exception as error:  # a damaged file can fail in any layer of the library
        raise _damaged(path, error) from None
    return {
        name: ["" if cell is None else str(cell) for cell in column.to_pylist()]
        for name, column in zip(table.column_names, table.columns, strict=True)
    }


def lower_case_names(table: Columns, path: Path) -> Columns:
    """The columns under names in lower case. DataError where two would have one."""
    columns: Columns = {}
    for name, cells in table.items():
        key = name.strip().lower()
        if key in columns:
            first_name = next(other for other in table if other.strip().lower() == key)
            raise DataError(
                f"{path} has two columns called {first_name!r} and {name!r}, which differ by case "
                "or spaces alone; rename one, or leave it out"
            )
        columns[key] = cells
    return columns


def counted(videos: Sequence[str], counts: Counter[str]) -> list[str]:
    """For each row how many rows of its video stand before it. ``counts``: rows of each video in
    earlier files, to which these are added.
    """
    numbers = []
    for video in videos:
        numbers.append(str(counts[video]))
        counts[video] += 1
    return numbers


def whole_numbers(cells: Sequence[str]) -> list[str]:
    """A column of ids without the spaces around them, and without ``.0`` where each that is there
    has it: whole numbers that a program has kept as floats, as of a column with empty cells.
    """
    stripped = [cell.strip() for cell in cells]
    if all(_FLOAT.fullmatch(cell) for cell in stripped if cell):
        return [cell.partition(".")[0] for cell in stripped]
    return stripped


def _opened(path: Path) -> Any:
    try:
        from pyarrow import parquet
    except ImportError:
        raise DataError(
            f"{path.name} is a parquet file, and pyarrow is not installed; "
            "pip install 'merbench-datasets[parquet]', or give a csv"
        ) from None
    try:
        return parquet.ParquetFile(path)
    except Exception as error:
        raise _damaged(path, error) from None


def _readable(file: Any) -> tuple[list[str], list[str]]:
    """Names of the columns of texts, numbers, dates and truth values, and of the others (lists,
    pictures), which can be large and are never read.
    """
    from pyarrow import types

    names, unreadable = [], []
    for field in file.schema_arrow:
        kind = field.type.value_type if types.is_dictionary(field.type) else field.type
        of_bytes = types.is_binary(kind) or types.is_large_binary(kind)
        is_scalar = (
            not types.is_nested(kind) and not of_bytes and not types.is_fixed_size_binary(kind)
        )
        (names if is_scalar else unreadable).append(field.name)
    return names, unreadable


def _of_labels(file: Any, name: str) -> bool:
    """Whether the column is of lists of words or whole numbers."""
    from pyarrow import types

    kind = file.schema_arrow.field(name).type
    if not types.is_list(kind) and not types.is_large_list(kind):
        return False
    item = kind.value_type
    return types.is_string(item) or types.is_large_string(item) or types.is_integer(item)


def _damaged(path: Path, error: Exception) -> DataError:
    line = str(error).splitlines()[0][:100] if str(error) else type(error).__name__
    return DataError(f"{path} cannot be read ({line}); copy it again")
