"""Tables as text: in which encoding they are, what parts their columns, which cells are numbers."""

from __future__ import annotations

import codecs
import csv
import io
from pathlib import Path

DELIMITERS = (",", "\t", ";", "|")
_HEADER = 2**16
"""Bytes in which the first line must end."""


def text_of(data: bytes, errors: str = "strict") -> str:
    """UTF-8, with or without a byte-order mark, or UTF-16 with one; else UnicodeDecodeError."""
    is_utf16 = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    return data.decode("utf-16" if is_utf16 else "utf-8-sig", errors)


def number_of(cell: str) -> float:
    """ValueError where it is none: ``6_368``, the name of a clip, is 6368 for ``float`` alone."""
    if "_" in cell:
        raise ValueError(f"{cell!r} is no number")
    return float(cell)


def delimiter_of(text: str) -> str:
    """What parts the first line into most columns: a comma, or else a tab, semicolon or bar (as
    spreadsheets write it where a comma is the decimal point).
    """
    return max(DELIMITERS, key=lambda delimiter: len(_first_row(text, delimiter)))


def header_of(path: Path) -> list[str]:
    """What the columns of a table are called; nothing where it cannot be read as text."""
    try:
        with path.open("rb") as file:
            text = text_of(file.read(_HEADER), "ignore")  # the last character may be cut
        return [name.strip() for name in _first_row(text, delimiter_of(text))]
    except (OSError, csv.Error):
        return []


def _first_row(text: str, delimiter: str) -> list[str]:
    rows = csv.reader(io.StringIO(text[:_HEADER], newline=""), delimiter=delimiter)
    return next(rows, [])
