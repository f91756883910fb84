"""Several labels in one cell: ``joy|anger``, ``[joy, anger]``."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from merbench_datasets.label_values import number_in

_SIGNS = "|;"
_LISTED = re.compile(r"\[(.*)\]", re.DOTALL)


def sign_between(cells: Sequence[str]) -> str:
    """What joins the labels of a cell: ``|`` or ``;`` where one stands in any cell, or a comma
    where cells are lists in brackets, or a label that is joined to another stands in a second cell
    too. Empty where each cell is one label.
    """
    distinct = {cell.strip().lower() for cell in cells} - {""}
    for sign in _SIGNS:
        if any(sign in cell for cell in distinct):
            return sign
    if distinct and all(_LISTED.fullmatch(cell) for cell in distinct):
        return ","
    n_cells = Counter(label for cell in distinct for label in labels_in(cell, ","))
    joined = [cell for cell in distinct if "," in cell and number_in(cell) is None]
    shared = any(n_cells[label] > 1 for cell in joined for label in labels_in(cell, ","))
    return "," if shared else ""


def labels_in(cell: str, sign: str) -> set[str]:
    """``"Joy | anger"`` -> ``{"joy", "anger"}``."""
    text = cell.strip().lower()
    listed = _LISTED.fullmatch(text)
    parts = (listed[1] if listed else text).split(sign)
    return {part.strip().strip("'\"").strip() for part in parts} - {""}


def in_order(labels: set[str]) -> list[str]:
    """Alphabetically; numbers by their value."""
    if all(label.isdecimal() for label in labels):
        return sorted(labels, key=int)
    return sorted(labels)


def column_of(label: str, cells: Sequence[str], sign: str) -> list[str]:
    """1 where a cell has the label, 0 where it has others or is an empty list, empty where the cell
    is.
    """
    return [str(int(label in labels_in(cell, sign))) if cell.strip() else "" for cell in cells]
