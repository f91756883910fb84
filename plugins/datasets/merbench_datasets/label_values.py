"""Cells of a column of labels as people write them: numbers or words, and what is not known."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from merbench.api import DataError, number_of

_UNKNOWN = {"", "na", "n/a", "nan", "none", "null", "-", "?"}
"""Cells, in lower case, that name no value in a column of numbers."""
_NO_WORD = _UNKNOWN - {"none"}
"""The same in a column of words, among which ``none`` may be a class."""
_DECIMAL_COMMA = re.compile(r"[+-]?\d*,\d+")


def numbers_in(cells: Sequence[str], where: str) -> np.ndarray | None:
    """[N], NaN where a value is not known; None where the column is of words. DataError, naming
    the first, where a few cells are words among numbers. ``where`` names the column.
    """
    values = [number_in(cell) for cell in cells]
    filled = [row for row, cell in enumerate(cells) if cell.strip().lower() not in _UNKNOWN]
    words = [row for row in filled if values[row] is None]
    if 2 * len(words) > len(filled):
        return None
    if words:
        raise DataError(
            f"{where} holds {cells[words[0]][:40]!r} among numbers; put a number there, or leave "
            "the cell empty where it is not known"
        )
    return np.array([np.nan if value is None else value for value in values])


def word_in(cell: str) -> str:
    """A label in lower case; empty where it is not known."""
    word = cell.strip().lower()
    return "" if word in _NO_WORD else word


def number_in(cell: str) -> float | None:
    """As it is, with a decimal comma, with the sign of typesetting, or in percent; else None."""
    text = cell.strip().replace("\N{MINUS SIGN}", "-").removesuffix("%")
    if _DECIMAL_COMMA.fullmatch(text):
        text = text.replace(",", ".")
    try:
        return number_of(text)
    except ValueError:
        return None
