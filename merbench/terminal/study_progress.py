"""Progress of a study on stderr: a bar over all its runs, and one line a run in progress, in any
process.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from merbench.results.store.claims import Claims
from merbench.study.time_left import duration
from merbench.terminal.messages import say
from merbench.terminal.progress_bar import DrawnBar, new_bar, resuming_at_trial, which

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rich.progress import TaskID

    from merbench.results.store.claims import Holder
    from merbench.results.store.store import Store
    from merbench.study.layout import PlannedRun
    from merbench.study.make import Ended
    from merbench.study.opened import OpenedStudy
    from merbench.study.searches import SearchStatus


class _Bar(DrawnBar):
    """A bar that is drawn when it is called: without a thread of its own, which would be in the way
    of processes that are forked from this one.
    """

    def __init__(
        self, label: str, total: int | None, completed: int = 0, silent: bool = False
    ) -> None:
        """``silent``: nothing is shown but failures."""
        self.silent = silent
        self.bar, self.quiet = new_bar(silent, auto_refresh=False)
        self.task = self.bar.add_task(label, total=total, completed=completed, seconds_left=None)


class StudyProgress(_Bar):
    """``missing``: the runs to be made; the time left is estimated from what runs of each cell
    take.
    """

    def __init__(
        self,
        opened: OpenedStudy,
        missing: Sequence[PlannedRun],
        store: Store,
        jobs: int,
        silent: bool = False,
    ) -> None:
        from merbench.study.status import status_of_cells
        from merbench.study.time_left import TimeLeft

        total = sum(len(cell.runs) for cell in opened.cells)
        self.label, self.jobs = opened.file.stem, jobs
        super().__init__(self.label, total, total - len(missing), silent)
        self.claims = Claims(store.root)
        self.lines: dict[str, TaskID] = {}
        self.cell_of = {
            run.run_id: str(number) for number, cell in enumerate(opened.cells) for run in cell.runs
        }
        self.left = {run.run_id for run in missing}
        self.time_left = TimeLeft()
        for number, status in enumerate(status_of_cells(opened.cells, store)):
            if status.seconds is not None:
                self.time_left.add(str(number), status.seconds)
        n_finished = total - len(missing)
        if n_finished and missing and not silent:
            say(f"{self.label}: resuming at run {n_finished + 1} of {total}")

    def __call__(self, ended: Ended | None) -> None:
        if ended is not None:
            self._ended(ended)
        if not self.quiet:
            claims = self.claims.held()
            self._draw({name: h for name, h in claims.items() if name in self.left and h.about})

    def _draw(self, running: Mapping[str, Holder]) -> None:
        for name in self.lines.keys() - running.keys():
            self.bar.remove_task(self.lines.pop(name))
        for name, holder in running.items():
            about = holder.about
            label = f"  {about['model']} · {which(about['seed'], about['fold'])}"
            epoch, epochs = about.get("epoch", 0), about["of"]
            if name not in self.lines:  # is drawn at once
                self.lines[name] = self.bar.add_task(
                    label, total=epochs, completed=epoch, from_before=epoch
                )
            self.bar.update(self.lines[name], completed=epoch, total=epochs)
        self.bar.update(self.task, seconds_left=self._seconds_left(running))
        self.bar.refresh()

    def _seconds_left(self, running: Mapping[str, Holder]) -> float | None:
        from merbench.study.time_left import seconds_by_progress, share_left

        runs_by_cell: dict[str, float] = {}
        for run_id in self.left:
            share = share_left(running[run_id].about) if run_id in running else 1.0
            cell = self.cell_of[run_id]
            runs_by_cell[cell] = runs_by_cell.get(cell, 0.0) + share
        time_left = self.time_left
        if not time_left.seconds_a_run:
            abouts = [(self.cell_of[name], holder.about) for name, holder in running.items()]
            time_left = seconds_by_progress(abouts)
        return time_left.estimate(runs_by_cell, max(self.jobs, len(running)))

    def _ended(self, ended: Ended) -> None:
        self.bar.advance(self.task)
        run, record = ended.run, ended.record
        self.left.discard(run.run_id)
        if record and record.cost:
            self.time_left.add(self.cell_of[run.run_id], record.cost.seconds)
        name = f"{run.label} · {which(run.seed, run.fold)}"
        if ended.how == "failed" and record:
            say(f"failed: {name}: {record.error}")
        elif self.quiet and not self.silent and record and record.cost:
            say(f"{name} · {record.cost.seconds:.1f} s")


class TrialProgress(_Bar):
    """A bar over the trials of all searches."""

    def __init__(self, label: str, jobs: int, silent: bool = False) -> None:
        super().__init__(label, None, silent=silent)
        self.label, self.jobs = label, jobs
        self.n_finished: int | None = None

    def __call__(self, searches: Sequence[SearchStatus]) -> None:
        finished, planned = sum(s.finished for s in searches), sum(s.wanted for s in searches)
        seconds = sum(s.seconds_left for s in searches) / self.jobs
        self.bar.update(
            self.task,
            completed=finished,
            total=planned,
            seconds_left=seconds if finished else None,
        )
        self.bar.refresh()
        if self.n_finished is None and finished and not self.silent:
            say(f"{self.label}: {resuming_at_trial(finished, planned)}")
        elif self.quiet and not self.silent and planned and finished != self.n_finished:
            time_left = f" · about {duration(seconds)} left" if seconds else ""
            say(f"{self.label} · {finished} of {planned} trials{time_left}")
        self.n_finished = finished
