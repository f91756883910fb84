"""Rows of a file of predictions, joined by id to the rows that are scored."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import numpy as np

from merbench.api.did_you_mean import did_you_mean
from merbench.api.errors import DataError, RequestError
from merbench.api.material.corpus import Corpus
from merbench.data.first_few import first_few
from merbench.outside.table import Table

ID_COLUMNS = ("id", "ids", "utterance_id", "custom_id")


def require_known(corpus: Corpus, task: str, protocol: str, part: str) -> None:
    """RequestError where a fold has no row to score. ``part``: valid or test."""
    for split in corpus.protocols[protocol].splits:
        if not corpus.offered[task].is_known(getattr(split, part)).any():
            raise RequestError(
                f"the {part} split of {corpus.name} has no row with a known {task}; "
                "choose another --task or --protocol"
            )


def ids_of(table: Table) -> list[str]:
    """[N] the ids. DataError where there is no such column, or an id stands twice."""
    id_columns = [name for name in ID_COLUMNS if name in table.columns]
    if not id_columns:
        raise DataError(
            f"{table.path} has no column 'id', but {', '.join(table.columns)}; "
            "add the id of the utterance to each row"
        )
    ids: list[str] = []
    row_of: dict[str, int] = {}
    for row, cell in enumerate(table.columns[id_columns[0]]):
        text = "" if cell is None else str(cell).strip()
        if not text:
            raise table.error(row, "it has no id; write that of its utterance")
        if text in row_of:
            earlier_place = table.places[row_of[text]]
            raise table.error(
                row, f"the id {text!r} is also on {earlier_place}; keep one of the two"
            )
        row_of[text] = row
        ids.append(text)
    return ids


def order_of(
    table: Table,
    ids: Sequence[str],
    part: str,
    ignored: Collection[str],
    other: Mapping[str, str],
) -> np.ndarray:
    """[len(wanted)] the row of the table for each wanted id.

    ``part``: what the wanted rows are, in words. ``ignored``: ids that may be there too, as of rows
    without a known target. ``other``: ids of the data set that may not -> the split that they are
    in. DataError for ids that are too many or lacking.
    """
    row_of = {name: row for row, name in enumerate(ids_of(table))}
    allowed = {*ids, *ignored}
    for name, row in row_of.items():
        if name in other:
            raise table.error(
                row, f"{name!r} is a row of the {other[name]} split, not one of the {part}"
            )
        if name not in allowed:
            advice = did_you_mean(name, ids, otherwise=f"they are {first_few(ids)}")
            raise table.error(row, f"{name!r} is none of the {part}; {advice}")
    if missing := [name for name in ids if name not in row_of]:
        raise DataError(
            f"{table.path} lacks {len(missing)} of {len(ids)} {part} ({first_few(missing)}); "
            "give a prediction for each"
        )
    return np.array([row_of[name] for name in ids])
