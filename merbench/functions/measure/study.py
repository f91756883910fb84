"""``merbench.study_run`` and ``merbench.study_status``: many models and tracks as one job."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from merbench.bench.keywords import checked_keywords
from merbench.bench.python_function import python_function
from merbench.bench.python_session import catalog, homes
from merbench.terminal.messages import say

if TYPE_CHECKING:
    import pandas as pd

    from merbench.results.store.store import Store
    from merbench.runs.workspace import Workspace
    from merbench.study.file import StudyFile
    from merbench.study.opened import OpenedStudy
    from merbench.study.status import CellStatus


@dataclass(frozen=True, eq=False)  # cells hold arrays, which have no one truth
class StudyStatus:
    """``cells``: one a model or ablation and track. ``seconds_left``: None where no run is done
    from which it could be estimated. ``elsewhere``: runs of this call whose records went into
    another store, as an executor may have it; bring them here with ``merbench store merge``.
    """

    cells: list[CellStatus]
    seconds_left: float | None
    elsewhere: int = 0

    @property
    def done(self) -> int:
        return sum(cell.done for cell in self.cells)

    @property
    def failed(self) -> int:
        return sum(cell.failed for cell in self.cells)

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
        failed = f", {self.failed} failed" if self.failed else ""
        return f"<study: {self.done} of {self.total} runs done{failed}>"


@python_function
def study_run(
    file: str | Path,
    data: str | Path | None = None,
    store: str | Path = "runs",
    *,
    jobs: int = 1,
    device: str = "auto",
    threads: int | None = None,
    executor: str = "local",
    executor_settings: Mapping[str, Any] | None = None,
    progress: bool = True,
) -> StudyStatus:
    """Make every run of a STUDY.toml that the store lacks, ``jobs`` at once; the same call
    continues after a stop, and several may work on one store.

    A run that fails is recorded with its error and the others continue; the next call retries it.
    ``executor``: where runs are made (``merbench list executors``). RequestError in one sentence
    for what does not fit. Example::

        merbench.study_run("STUDY.toml", jobs=4).to_pandas()
        merbench.leaderboard("runs").to_pandas()
    """
    from merbench.bench.study_job import StudyJob
    from merbench.results.store.store import Store
    from merbench.study.executor import executor_of

    checked_keywords("study_run", {"jobs": jobs, "device": device, "threads": threads})
    run_store = Store(Path(store).absolute())
    run_store.require_writable()
    settings = executor_settings or {}
    runner = executor_of(catalog(), executor, settings, jobs, run_store.root)
    job = StudyJob(run_store, runner, jobs, device, threads, silent=not progress)
    opened, n_elsewhere = job.make(
        _opened(file, data, run_store, say if progress else _ignore),
        lambda: _opened(file, data, run_store, _ignore),
    )
    return _status(opened, run_store, n_elsewhere)


@python_function
def study_status(
    file: str | Path, data: str | Path | None = None, store: str | Path = "runs"
) -> StudyStatus:
    """How far the study of a STUDY.toml is, read from its store alone. Example::

    merbench.study_status("STUDY.toml").to_pandas()
    """
    from merbench.results.store.store import Store

    run_store = Store(Path(store))
    return _status(_opened(file, data, run_store, say), run_store)


def _opened(
    file: str | Path, data: str | Path | None, store: Store, say_note: Callable[[str], None]
) -> OpenedStudy:
    from merbench.runs.workspace import Sources, Workspace
    from merbench.study.opened import open_study

    def workspace_of(study: StudyFile) -> Workspace:
        searched = tuple(home.absolute() for home in homes(data))
        return Workspace(Sources((), searched, tuple(study.vectors)), catalog())

    return open_study(Path(file), store, workspace_of, say_note)


def _status(opened: OpenedStudy, store: Store, n_elsewhere: int = 0) -> StudyStatus:
    from merbench.study.status import seconds_left, status_of_cells

    cells = status_of_cells(opened.cells, store)
    for warning in store.warnings:
        say(f"warning: {warning}")
    return StudyStatus(cells, seconds_left(cells), n_elsewhere)


def _ignore(sentence: str) -> None:
    pass
