"""The boards of a store's runs, with the floors and the metrics of the catalogue."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from merbench.api.errors import RequestError
from merbench.bench.floors import floors

if TYPE_CHECKING:
    from merbench.host.catalog import Catalog
    from merbench.report.scores.rows.entries import Board
    from merbench.report.scores.runs_of_a_store import StoreSource
    from merbench.results.records.record import Record


def boards_of(
    catalog: Catalog,
    source: StoreSource,
    records: Sequence[Record],
    dataset: str | None = None,
    track: str | None = None,
) -> list[Board]:
    """Of these ``records`` of the ``source``, by title. ``dataset`` and ``track``: only these;
    ``track`` is a part of a title.
    """
    from merbench.report.scores.rows.entries import collect

    corrections = source.corrections()
    return collect(records, floors(catalog), dataset, track, catalog.metrics, corrections)


def open_boards(
    catalog: Catalog,
    store: str | Path,
    dataset: str | None = None,
    track: str | None = None,
    histories: bool = True,
) -> tuple[StoreSource, list[Board]]:
    """``histories`` as of ``StoreSource``. RequestError where no run is of that kind."""
    from merbench.report.scores.missing_runs import no_run
    from merbench.report.scores.runs_of_a_store import StoreSource
    from merbench.results.store.store import Store

    source = StoreSource(Store(Path(store)), histories)
    records = source.records()
    boards = boards_of(catalog, source, records, dataset, track)
    if not boards:
        raise RequestError(no_run(records, store, dataset, track))
    return source, boards
