"""The protocols of a feature folder: who trains, who is validated and who is tested, and whose rows
belong together.

Beside a column or an array of splits or folds, ``folds = 5`` and ``group = "speaker"`` divide whole
groups. ``group`` also says which rows are not independent of each other: scores are resampled by
group, in place of by video.
"""

from __future__ import annotations

import numpy as np

from merbench.api.did_you_mean import did_you_mean
from merbench.api.material.corpus import Protocol, Split, Stream
from merbench.data.folder.label_table import Table
from merbench.data.folder.streams import TableFiles
from merbench.data.folder.toml_section import Section

_MODES = ("train", "valid", "test")
_NOT_USED = -1
LEAST_FOLDS = 3
_MOST_DIGITS = 10


def read_protocol(
    name: str, section: Section, files: TableFiles, streams: dict[str, Stream]
) -> tuple[Protocol, list[str]]:
    """The protocol and sentences about it. DataError where ``section`` is wrong."""
    table = files.table
    unit = section.text("group", "")
    units = group_cells(table, unit) if unit else table.column("video_id")
    part_N, is_fold = _parts(section, files, unit)
    by_id = np.argsort(table.ids)  # so that the order of the file changes nothing
    splits = _folds(section, part_N, by_id) if is_fold else _split(section, part_N, by_id)
    protocol = Protocol(splits, _offered(section, streams), unit)
    return protocol, _shared(name, unit, units, part_N)


def group_cells(table: Table, column: str) -> list[str]:
    """Who or what each row belongs to; a row whose cell is empty belongs to its video alone."""
    cells = zip(table.column(column), table.column("video_id"), strict=True)
    return [cell.strip() or f"{video} ({column} unknown)" for cell, video in cells]


def _parts(section: Section, files: TableFiles, unit: str) -> tuple[np.ndarray, bool]:
    """``(part [N], whether parts are folds)``: 0, 1, 2 = train, valid, test; or the number of a
    fold; -1 = not used.
    """
    table = files.table
    count = section.count("folds", 0)
    column = section.text("column", "")
    if count:
        if column or "file" in section:
            raise section.error("folds = N makes folds; leave column and file out")
        return _balanced(section, table, unit or "video_id", count), True
    if column:
        return _of_column(table, column)
    if "file" not in section:
        raise section.error(
            "it does not say how rows are divided; "
            'write column = "mode", file and array of fold numbers, or folds = 5'
        )
    arrays, rows = files.arrays(section)
    name = section.text("array")
    part_N: np.ndarray = arrays.per_row(name, "iu")[rows].astype(np.int64)
    _check_folds(section, part_N, f"{arrays.path}: array {name!r}")
    return part_N, True


def _of_column(table: Table, column: str) -> tuple[np.ndarray, bool]:
    cells = [cell.strip() for cell in table.column(column)]
    if any(cell.isdecimal() for cell in cells):
        part_N = np.full(len(cells), _NOT_USED)
        for row, cell in enumerate(cells):
            is_fold = cell.isdecimal() and len(cell) < _MOST_DIGITS
            if not (is_fold or cell in ("", "-1")):
                raise table.error(
                    row,
                    f"column {column!r} holds {cell[:40]!r} beside numbers of folds; "
                    "put a number, or nothing where the row is not used",
                )
            part_N[row] = int(cell) if is_fold else _NOT_USED
        return part_N, True
    for row, cell in enumerate(cells):
        if cell not in (*_MODES, "unused"):
            raise table.error(
                row,
                f"column {column!r} holds {cell[:40]!r}; put train, valid or test "
                "(or unused, for a row of another protocol)",
            )
    return np.array([_MODES.index(c) if c in _MODES else _NOT_USED for c in cells]), False


def _balanced(section: Section, table: Table, column: str, count: int) -> np.ndarray:
    """[N]: folds of about as many rows, no group in two: the largest group first, each into the
    smallest fold.
    """
    if count < LEAST_FOLDS:
        raise section.error(f"folds = {count} is too few; one tests, one validates, the rest train")
    names, group_N, sizes = np.unique(
        group_cells(table, column), return_inverse=True, return_counts=True
    )
    if len(names) < count:
        raise section.error(
            f"folds = {count} is more than the {len(names)} groups of column {column!r}; "
            "ask for fewer"
        )
    rows_of_fold = np.zeros(count, dtype=np.int64)
    fold_of_group = np.zeros(len(names), dtype=np.int64)
    for group in np.argsort(-sizes, kind="stable"):
        smallest = int(rows_of_fold.argmin())
        fold_of_group[group] = smallest
        rows_of_fold[smallest] += sizes[group]
    part_N: np.ndarray = fold_of_group[group_N]
    return part_N


def _check_folds(section: Section, part_N: np.ndarray, where: str) -> None:
    numbers = np.unique(part_N[part_N != _NOT_USED])
    if not np.array_equal(numbers, np.arange(len(numbers))) or len(numbers) < LEAST_FOLDS:
        rule = "must number at least 3 folds 0, 1, 2, ... without a gap, -1 = not used"
        raise section.error(f"{where} {rule}; number them so")


def _split(section: Section, part_N: np.ndarray, by_id: np.ndarray) -> tuple[Split, ...]:
    return (_rows(section, by_id, part_N == 0, part_N == 1, part_N == 2, None),)


def _folds(section: Section, part_N: np.ndarray, by_id: np.ndarray) -> tuple[Split, ...]:
    """Fold k tests, fold k + 1 validates, the rest train."""
    _check_folds(section, part_N, "its column")
    count = int(part_N.max()) + 1
    folds = []
    for k in range(count):
        test, valid = part_N == k, part_N == (k + 1) % count
        folds.append(_rows(section, by_id, (part_N >= 0) & ~test & ~valid, valid, test, k))
    return tuple(folds)


def _rows(
    section: Section,
    by_id: np.ndarray,
    train: np.ndarray,
    valid: np.ndarray,
    test: np.ndarray,
    fold: int | None,
) -> Split:
    for mode, chosen in zip(_MODES, (train, valid, test), strict=True):
        if not chosen.any():
            of_fold = "" if fold is None else f" in fold {fold}"
            raise section.error(f"no row is in {mode}{of_fold}; every split needs at least one row")
    return Split(by_id[train[by_id]], by_id[valid[by_id]], by_id[test[by_id]], fold)


def _offered(section: Section, streams: dict[str, Stream]) -> tuple[str, ...]:
    names = section.texts("streams")
    section.done()
    by_modality: dict[str, str] = {}
    for name in names:
        if name not in streams:
            advice = did_you_mean(name, streams)
            raise section.error(f"streams names {name!r}, which is not described here; {advice}")
        first_name = by_modality.setdefault(streams[name].modality, name)
        if first_name != name:
            raise section.error(
                f"streams names {first_name!r} and {name!r}, both {streams[name].modality}; "
                "offer one a modality"
            )
    return tuple(names)


def _shared(protocol: str, unit: str, units: list[str], part_N: np.ndarray) -> list[str]:
    _, unit_N = np.unique(units, return_inverse=True)
    has_part = part_N >= 0
    pairs = np.unique(np.stack([unit_N[has_part], part_N[has_part]]), axis=1)
    shared = np.bincount(pairs[0], minlength=unit_N.max() + 1) > 1
    if not shared.any():
        return []
    rows = int((shared[unit_N] & has_part).sum())
    unit_name = f"group(s) of {unit}" if unit else "video(s)"
    files = (
        f"protocol {protocol}: {rows} rows belong to {int(shared.sum())} {unit_name} that stand in "
        "more than one split"
    )
    return [f"{files}, so its test rows are not independent of its train rows"]
