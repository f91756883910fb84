"""What a track's folder in ``leaderboards/`` holds: records and predictions by row id, and scores
with all that was computed from labels.

Labels and transcripts are never in it, so whatever is drawn from a folder can be drawn again
without data.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from merbench.api.errors import DataError
from merbench.report.scores.board.board_scores import BoardScores
from merbench.report.scores.rows.entries import Board, collect
from merbench.results.metrics import BUILT_IN, Registry
from merbench.results.records.predictions import Predictions
from merbench.results.records.record import Record
from merbench.results.store.corrections import Correction


@dataclass(frozen=True)
class Folder:
    """What a folder holds. ``ids``: fold (empty = none) -> the ids of its test rows. ``files``: run
    id -> the file of its record.
    """

    path: Path
    records: tuple[Record, ...]
    ids: Mapping[str, Sequence[str]]
    predicted: Mapping[str, np.ndarray]
    files: Mapping[str, Path]
    scores: BoardScores | None = None
    extras: Mapping[str, Any] = field(default_factory=dict)
    title: str = ""
    """Where the track's own title is another folder's too."""
    corrections: tuple[Correction, ...] = ()

    @cached_property
    def board(self) -> Board:
        return self.by(self.scores.floors if self.scores else ())

    def by(self, floors: Collection[str], registry: Registry = BUILT_IN) -> Board:
        """With these models as floors, and these metrics."""
        boards = collect(self.records, floors, registry=registry, corrections=self.corrections)
        if len(boards) != 1:
            raise DataError(
                f"{self.path} holds records of {len(boards)} tracks, where one folder is one track"
            )
        return replace(boards[0], given_title=self.title)


@dataclass(frozen=True)
class Labelled:
    """A folder's runs with the user's labels beside them: a ``Source``. ``target`` and ``video`` by
    row id.
    """

    folder: Folder
    target: Mapping[str, Any]
    video: Mapping[str, str]
    _rows: dict[str, tuple[list[str], list[str], np.ndarray]] = field(default_factory=dict)
    """Ids, videos and targets by fold: hundreds of runs have the same."""

    @cached_property
    def _folds(self) -> dict[str, str]:
        """Of each run."""
        return {record.run_id: fold_name(record) for record in self.folder.records}

    def records(self) -> list[Record]:
        return list(self.folder.records)

    def corrections(self) -> list[Correction]:
        return list(self.folder.corrections)

    def predictions(self, run_id: str) -> Predictions:
        """KeyError for a run without predictions, or a row id that the data do not have."""
        fold = self._folds[run_id]
        if fold not in self._rows:
            ids = list(self.folder.ids[fold])
            target = np.array([self.target[i] for i in ids])
            self._rows[fold] = ids, [self.video[i] for i in ids], target
        return Predictions(*self._rows[fold], self.folder.predicted[run_id])

    def content(self, run_id: str) -> str:
        return run_id


def fold_name(record: Record) -> str:
    """A run's key in ``rows.json``."""
    return "" if record.fold is None else str(record.fold)
