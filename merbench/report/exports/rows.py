"""What every export says of a row of a board."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from merbench.report.folder.names import file_names
from merbench.report.scores.board.board_scores import BoardScores
from merbench.report.scores.board.row_scores import RowScores
from merbench.report.scores.rows.entries import Board, Entry


@dataclass(frozen=True)
class ExportedRow:
    """``file``: its name as a file's, different in all rows of a board."""

    file: str
    entry: Entry
    scores: RowScores

    @property
    def made_on(self) -> str:
        """When its newest run was made, as ISO 8601."""
        return max(record.started for record in self.entry.done)

    @property
    def version(self) -> str:
        """Of the merbench that trained or scored it."""
        return str(self.entry.first.provenance.get("merbench", "unknown"))


def exported_rows(board: Board, scores: BoardScores) -> Iterator[ExportedRow]:
    """Rows with scores, from best to worst: models, ablations and floors."""
    names = dict(zip((e.name for e in board.entries), file_names(board.entries), strict=True))
    for name, row in scores.rows.items():
        yield ExportedRow(names[name], board.by_name[name], row)
