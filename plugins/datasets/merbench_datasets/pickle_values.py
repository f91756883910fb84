"""Values of a pickle as texts, numbers and padded blocks; what is not of that form is refused with
its name.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from merbench.api import Array, DataError, as_text


def texts(value: Any, name: str) -> list[str]:
    """A list or array of strings."""
    if isinstance(value, Array) and value.ndim == 2 and value.shape[1] == 1:
        objects = value.dtype.hasobject
        value = [row[0] for row in listed(value)] if objects else value.read()[:, 0]
    elif isinstance(value, Array) and value.ndim == 1:
        value = listed(value) if value.dtype.hasobject else value.read()
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if not isinstance(value, list | tuple):
        raise DataError(f"{name} is no list of texts; fix the source")
    try:
        return [as_text(text) for text in value]
    except (TypeError, ValueError) as error:
        raise DataError(f"{name} is no list of texts ({error}); fix the source") from None


def listed(array: Array) -> list[Any]:
    """Its rows."""
    return [array[row] for row in range(len(array))]


def numbers(value: Any, rows: int, name: str) -> np.ndarray:
    """[rows, C] float64 of a list or array of numbers, one row each; C >= 1, also of no rows."""
    values = _as_floats(value, f"{rows} rows", name)
    columns = int(np.prod(values.shape[1:]))
    if values.shape[:1] != (rows,) or not columns:
        raise DataError(
            f"{name} has the shape {list(values.shape)}, and there are {rows} rows; fix the source"
        )
    return values.reshape(rows, columns)


def one_number(fields: Mapping[str, Any], field: str, rows: int, origin: str) -> np.ndarray:
    """[rows] float64 of a field with one number a row."""
    values_NC = numbers(fields[field], rows, f"{origin}: {field}")
    if values_NC.shape[1] > 1:
        raise DataError(
            f"{origin}: {field} has {values_NC.shape[1]} numbers a row, and one belongs there; "
            "leave that one"
        )
    values_N: np.ndarray = values_NC[:, 0]
    return values_N


def row_of_numbers(value: Any, name: str) -> np.ndarray:
    """[C] float64 of a number, or of a list or array of numbers, of a row; C >= 1."""
    values = _as_floats(value, "one row", name)
    if not values.size:
        raise DataError(f"{name} holds no number; fix the source")
    return values.ravel()


def _as_floats(value: Any, rows: str, name: str) -> np.ndarray:
    try:
        return np.asarray(value.read() if isinstance(value, Array) else value, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise DataError(
            f"{name} is no array of {rows} of numbers ({error}); fix the source"
        ) from None


def block(value: Any, rows: int, name: str) -> Array:
    """A padded array [rows, L, D] of numbers."""
    if (
        not isinstance(value, Array)
        or value.ndim != 3
        or value.dtype.kind not in "fiub"
        or len(value) != rows
    ):
        shape = getattr(value, "shape", type(value).__name__)
        raise DataError(
            f"{name} is {shape}, and an array [{rows}, steps, width] of numbers belongs there; "
            "fix the source"
        )
    return value


def last_step(row: np.ndarray) -> int:
    """Steps up to the last one that is not all zero; NaN and inf are no zeros."""
    real = np.flatnonzero((row != 0).any(axis=1))
    return int(real[-1]) + 1 if len(real) else 0


def first_step(row: np.ndarray) -> int:
    """The number of the first step that is not all zero."""
    real = np.flatnonzero((row != 0).any(axis=1))
    return int(real[0]) if len(real) else len(row)
