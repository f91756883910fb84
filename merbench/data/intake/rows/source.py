"""Which rows of a source are which rows of the data set that it is added to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from merbench.api.errors import DataError
from merbench.api.plural import count_of, have
from merbench.data.duplicate_segments import labelled_twice, times_of
from merbench.data.first_few import first_few
from merbench.data.folder.label_table import Table
from merbench.data.folder.manifest import Origin
from merbench.data.folder.toml_section import Section
from merbench.data.intake.rows.join import ids_of, joined_rows, new_rows
from merbench.data.intake.rows.match import Match, match_rows

Columns = Mapping[str, Sequence[str]]


class Described(NamedTuple):
    """A data set that is there already: ``dataset.toml`` as text and as values, and the table."""

    folder: Path
    text: str
    toml: dict[str, Any]
    table: Table


class SourceRows:
    """Counts in ``origin`` how many rows were offered, taken and refused, and notes what does not
    fit. ``before``: the data set where it is there already.
    """

    def __init__(self, before: Described | None, origin: Origin) -> None:
        self.before, self.origin = before, origin
        self.ids: Sequence[str] = list(before.table.ids) if before else []
        self.ids_here: dict[str, str] = {}
        """Id of the source -> id here, where they are not the same."""
        self._offered: set[str] = set()

    def join(self, columns: Columns) -> dict[str, list[str]]:
        """The table of the data set with what the source's has."""
        if self.before is None:
            cells = new_rows(columns, self._refuse)
            n_taken = len(cells["video_id"])
            if not n_taken and len(columns["video_id"]):
                raise DataError("no row of the source has a video_id and a clip_id; fill them")
            self.ids = ids_of(cells)
        else:
            columns, match = self._matched(self.before.table, columns)
            cells, n_taken = joined_rows(
                self.before.table,
                self._tolerances(),
                columns,
                self._refuse,
                self.origin.notes.append,
                match.apart,
            )
        self._note_labelled_twice(columns)
        self._offered |= {*ids_of(columns), *self.ids}
        self.origin.rows += len(columns["video_id"])
        self.origin.taken += n_taken
        return cells

    def places(self, stream: str, ids: Sequence[str]) -> dict[str, int]:
        """Id here -> where ``ids``, those of a stream, have it. A row that only the stream lacks or
        only the stream has is named in a note or among those refused.
        """
        place_of: dict[str, int] = {}
        for index, source_id in enumerate(ids):
            row_id = self.ids_here.get(source_id, source_id)
            if row_id in place_of:
                self.origin.notes.append(
                    f"stream {stream} has the id {row_id!r} twice; the first is taken"
                )
            place_of.setdefault(row_id, index)
        known = set(self.ids)
        for row_id in place_of:
            if row_id in self._offered:
                continue
            self._offered.add(row_id)
            self.origin.rows += 1
            if row_id in known:
                self.origin.taken += 1
            else:
                self._refuse(row_id, f"stream {stream} has it, and the table of labels does not")
        if lacks := [row_id for row_id in self.ids if row_id not in place_of]:
            self.origin.notes.append(
                f"stream {stream} lacks {len(lacks)} of {len(self.ids)} rows ({first_few(lacks)})"
            )
        return place_of

    def refuse(self, row: str, why: str) -> None:
        """A row that the source itself refuses."""
        self._offered.add(row)
        self.origin.rows += 1
        self._refuse(row, why)

    @property
    def clip_column(self) -> str:
        """Column of what a source calls its clips, where that is not what they are called here."""
        return f"clip_id_{self.origin.form.replace('-', '_')}"

    def _refuse(self, row: str, why: str) -> None:
        refused = self.origin.refused
        refused[row if row not in refused else f"{row} ({len(refused)})"] = why

    def _note_labelled_twice(self, columns: Columns) -> None:
        times_N2 = times_of(columns)
        if times_N2 is None:
            return
        pairs = labelled_twice(columns["video_id"], times_N2)
        if len(pairs):
            ids = ids_of(columns)
            examples = first_few([f"{ids[a]} = {ids[b]}" for a, b in pairs])
            self.origin.notes.append(
                f"{count_of(len(pairs), 'segment')} {have(len(pairs))} two rows, under two ids "
                f"({examples}); both rows are kept"
            )

    def _matched(self, table: Table, columns: Columns) -> tuple[dict[str, Sequence[str]], Match]:
        """The columns with the ids that their rows have here; what the source calls its clips stays
        in a column of its own.
        """
        new, own_ids = dict(columns), ids_of(columns)
        match = match_rows(table.cells, columns, self._tolerances() | self._classes())
        if not match.rows:
            return new, match
        clips = list(columns["clip_id"])
        for row, row_here in match.rows.items():
            clips[row] = table.cells["clip_id"][row_here]
            self.ids_here[own_ids[row]] = table.ids[row_here]
        new |= {"clip_id": clips, self.clip_column: columns["clip_id"]}
        self.origin.notes.extend(match.sentences(columns))
        joined = set(ids_of(new))
        if without := [row_id for row_id in table.ids if row_id not in joined]:
            self.origin.notes.append(
                f"{len(without):,} of {len(table):,} rows here have no row in the source "
                f"({first_few(without)})"
            )
        return new, match

    def _classes(self) -> dict[str, float]:
        """Columns of class tasks, whose labels are the same or not."""
        assert self.before is not None
        tasks = self.before.toml.get("task", {}).values()
        return {task["column"]: 0.0 for task in tasks if task.get("kind") == "class"}

    def _tolerances(self) -> dict[str, float]:
        """Column of a score -> a hundredth of its range."""
        assert self.before is not None
        section = Section(self.before.folder / "dataset.toml", "", self.before.toml)
        scores = [task for _, task in section.tables("task") if task.text("kind") == "score"]
        return {
            task.text("column"): 0.01 * (task.number("high") - task.number("low"))
            for task in scores
        }
