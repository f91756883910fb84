"""A study file with what it names, opened."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from merbench.results.records.record import Record
from merbench.results.store.store import Store
from merbench.runs.workspace import Workspace
from merbench.study.file import StudyFile, read_study
from merbench.study.layout import Cell, PlannedRun, lay_out


@dataclass(frozen=True)
class OpenedStudy:
    """``cells``: the study laid out, with what its searches have found so far."""

    file: Path
    study: StudyFile
    workspace: Workspace
    cells: Sequence[Cell]

    def runs(self) -> list[PlannedRun]:
        """Those whose settings are known by now."""
        return [run for cell in self.cells if not cell.pending for run in cell.runs]

    def missing(self, store: Store) -> list[PlannedRun]:
        """The runs that can be made and are not done."""
        return [run for run in self.runs() if self.finished_record(store, run) is None]

    @staticmethod
    def finished_record(store: Store, run: PlannedRun) -> Record | None:
        record = store.get(run.run_id)
        return record if record and record.status == "done" else None


def open_study(
    file: Path,
    store: Store,
    workspace_of: Callable[[StudyFile], Workspace],
    say: Callable[[str], None] = lambda sentence: None,
) -> OpenedStudy:
    """``say`` gets what is left out of the study, and its data sets' notes. ``workspace_of``: the
    plugins, data sets and word vectors of a study.
    """
    study = read_study(file)
    workspace = workspace_of(study)
    left_out: list[str] = []
    cells = lay_out(study, workspace, store, left_out.append)
    notes = [f"note: {note}" for corpus in workspace.corpora for note in corpus.notes]
    for sentence in (*left_out, *notes):
        say(sentence)
    return OpenedStudy(file, study, workspace, cells)
