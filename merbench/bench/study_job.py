"""A study made: its searches, then its runs, with progress on stderr."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from merbench.terminal.messages import say

if TYPE_CHECKING:
    from merbench.results.store.store import Store
    from merbench.study.executor import NamedExecutor
    from merbench.study.layout import Cell
    from merbench.study.opened import OpenedStudy
    from merbench.study.searches import SearchStatus, Tuner

SEARCH_ROUNDS = 2
"""Where all workers of a search died, others are started this often in all."""
SECONDS_BETWEEN_DRAWS = 2.0


@dataclass(frozen=True)
class StudyJob:
    """How what a store lacks of a study is made. ``threads``: of one run; None = what the machine
    has for each of ``jobs``. ``silent``: nothing is shown but failures.
    """

    store: Store
    executor: NamedExecutor
    jobs: int
    device: str
    threads: int | None
    silent: bool = False

    def make(
        self, opened: OpenedStudy, reopen: Callable[[], OpenedStudy]
    ) -> tuple[OpenedStudy, int]:
        """The study as its searches left it, and how many of its runs ended in another store.

        ``reopen``: reads the study again, with what the searches found.
        """
        threads = self._threads_of_a_run()
        self.store.require_same_folder()  # so that this process, too, knows which one it is
        if any(cell.pending for cell in opened.cells):
            self._search(opened, threads)
            opened = reopen()
        return opened, self._make_runs(opened, threads)

    def _threads_of_a_run(self) -> int | None:
        """None where another machine chooses. RequestError for a device that is not here."""
        from merbench.runs.machine import Machine

        if self.executor.name != "local":
            return self.threads
        return Machine.choose(self.device, self.threads, self.jobs).threads

    def _search(self, opened: OpenedStudy, threads: int | None) -> None:
        """Every search that is not over; where its workers died, once more."""
        from merbench.study.searches import Tuner, status_of
        from merbench.terminal.study_progress import TrialProgress

        tuning = opened.study.tune
        assert tuning is not None
        tuner = Tuner(opened.workspace, tuning, self.store.root, self.device, threads)
        cells = [c for c in opened.cells if c.pending and c.search and not c.search.error]

        def status(cell: Cell) -> SearchStatus:
            return status_of(cell.request, cell.plan, tuning, self.store)

        label = f"{opened.file.stem} · tuning"
        unfinished, shown_sentences = cells, set[str]()
        with TrialProgress(label, self.jobs, self.silent) as progress:

            def draw() -> None:
                self.store.require_same_folder()
                progress([status(cell) for cell in cells])

            for _ in range(SEARCH_ROUNDS):
                self._work_on(unfinished, tuner, shown_sentences, draw)
                draw()
                unfinished = [cell for cell in unfinished if not status(cell).is_over]

    def _work_on(
        self,
        cells: Sequence[Cell],
        tuner: Tuner,
        shown_sentences: set[str],
        draw: Callable[[], None],
    ) -> None:
        # Whoever has nothing left to begin joins a search that is not over.
        tasks = [(cell.dataset, cell.request) for _ in range(self.jobs) for cell in cells]
        last_draw = 0.0
        for ended in self.executor(tuner, tasks) if tasks else ():
            if ended and ended[1]:
                self.store.require_room()  # else every other worker would end for the same reason
                (dataset, request), error = ended
                name = " ".join((request.model, *request.ablations))
                sentence = f"{name} · {dataset}: a worker of its search ended: {error}"
                if sentence not in shown_sentences:
                    say(sentence)
                shown_sentences.add(sentence)
            if time.monotonic() - last_draw > SECONDS_BETWEEN_DRAWS:
                draw()
                last_draw = time.monotonic()

    def _make_runs(self, opened: OpenedStudy, threads: int | None) -> int:
        """How many runs ended in another store."""
        from merbench.study.make import Worker, make
        from merbench.terminal.study_progress import StudyProgress

        self._complete_records(opened)
        missing = list({run.run_id: run for run in opened.missing(self.store)}.values())
        worker = Worker(opened.workspace, self.store.root, self.device, threads)
        n_elsewhere = 0
        with StudyProgress(opened, missing, self.store, self.jobs, self.silent) as progress:
            for ended in make(missing, self.executor, worker, self.store, worker.failed):
                progress(ended)
                n_elsewhere += ended is not None and ended.how == "elsewhere"
        self._complete_records(opened)
        return n_elsewhere

    def _complete_records(self, opened: OpenedStudy) -> None:
        """Finished runs stand on every track on which the study names them, and name its search."""
        for cell in opened.cells:
            for run in () if cell.pending else cell.runs:
                if record := opened.finished_record(self.store, run):
                    self.store.update(record, run.tuned_by, cell.plan.track)
