"""``merbench.study_status``: how far a study is."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from merbench.bench.python_function import python_function
from merbench.bench.python_session import catalog, homes
from merbench.terminal.messages import say

if TYPE_CHECKING:
    import pandas as pd

    from merbench.runs.workspace import Workspace
    from merbench.study.file import StudyFile
    from merbench.study.status import CellStatus


@dataclass(frozen=True)
class StudyStatus:
    """``cells``: one a model or ablation and track. ``seconds_left``: None where no run is done
    from which it could be estimated.
    """

    cells: list[CellStatus]
    seconds_left: float | None

    @property
    def done(self) -> int:
        return sum(cell.done for cell in self.cells)

    @property
    def total(self) -> int:
        return sum(cell.total for cell in self.cells)

    def to_pandas(self) -> pd.DataFrame:
        """One row a cell: track, model, runs by how they stand, and the seconds that one takes."""
        import pandas as pd

        columns = ["track", "model", "done", "running", "failed", "waiting", "seconds"]
        rows = [
            (s.cell.track, s.cell.label, s.done, s.running, s.failed, s.waiting, s.seconds)
            for s in self.cells
        ]
        return pd.DataFrame(rows, columns=columns)

    def __repr__(self) -> str:
        return f"<study: {self.done} of {self.total} runs done>"


@python_function
def study_status(
    file: str | Path, data: str | Path | None = None, store: str | Path = "runs"
) -> StudyStatus:
    """How far the study of a STUDY.toml is, read from its store alone. Example::

    merbench.study_status("STUDY.toml").to_pandas()
    """
    from merbench.results.store.claims import Claims
    from merbench.results.store.store import Store
    from merbench.runs.workspace import Sources, Workspace
    from merbench.study.opened import open_study
    from merbench.study.status import seconds_left, status_of_cells

    def workspace_of(study: StudyFile) -> Workspace:
        searched = tuple(home.absolute() for home in homes(data))
        return Workspace(Sources((), searched, tuple(study.vectors)), catalog())

    run_store = Store(Path(store))
    opened = open_study(Path(file), run_store, workspace_of, say)
    cells = status_of_cells(opened.cells, run_store)
    planned = {run.run_id for cell in opened.cells for run in cell.runs}
    n_running = sum(run_id in planned for run_id in Claims(run_store.root).held())
    return StudyStatus(cells, seconds_left(cells, n_running))
