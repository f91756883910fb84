"""A study file with what it names, opened for the commands of ``merbench study``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from merbench.cli.shared.named_path import NamedPath
from merbench.cli.shared.output import say
from merbench.cli.shared.session import Session

if TYPE_CHECKING:
    from merbench.results.records.record import Record
    from merbench.results.store.store import Store
    from merbench.runs.workspace import Workspace
    from merbench.study.file import StudyFile
    from merbench.study.layout import Cell, PlannedRun


def study_options(function: Callable[..., Any]) -> Callable[..., Any]:
    options = [
        click.argument("file", metavar="STUDY.toml", type=NamedPath()),
        click.option(
            "--data",
            type=NamedPath(),
            help="Folder of the data sets (also MERBENCH_DATA).",
        ),
        click.option(
            "--store",
            type=NamedPath(),
            envvar="MERBENCH_STORE",
            default="runs",
            show_default=True,
            help="Where records go.",
        ),
        click.option(
            "--json",
            "as_json",
            is_flag=True,
            help="One JSON object on stdout, and nothing else there.",
        ),
    ]
    for option in reversed(options):
        function = option(function)
    return function


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
    session: Session, file: Path, data: Path | None, store: Store, again: bool = False
) -> OpenedStudy:
    """``again``: what it says of the study was said already."""
    from merbench.runs.workspace import Sources, Workspace
    from merbench.study.file import read_study
    from merbench.study.layout import lay_out

    study = read_study(file)
    homes = tuple(home.absolute() for home in session.homes(data))
    sources = Sources(session.disabled, homes, tuple(study.vectors))
    workspace = Workspace(sources, session.catalog)
    left_out: list[str] = []
    cells = lay_out(study, workspace, store, left_out.append)
    if not again:
        notes = [f"note: {note}" for corpus in workspace.corpora for note in corpus.notes]
        for sentence in (*left_out, *notes):
            say(sentence)
    return OpenedStudy(file, study, workspace, cells)
