"""Progress of a study on stderr: a bar over all its runs, and a line a run that is being made now,
by whatever process.
"""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING

from merbench.cli.shared.output import say
from merbench.cli.shared.progress import new_bar, which
from merbench.results.claims import Claims

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.progress import TaskID

    from merbench.results.store import Store
    from merbench.study.make import Ended
    from merbench.study.searches import Standing


class StudyProgress:
    """Drawn when it is called. ``mine``: the ids of the runs to be made, of ``total``."""

    def __init__(self, label: str, total: int, mine: set[str], store: Store) -> None:
        self.mine, self.claims = mine, Claims(store.root)
        # Without a thread of its own, which would be in the way of processes that are forked from
        # this one.
        self.bar, self.quiet = new_bar(auto_refresh=False)
        self.overall = self.bar.add_task(label, total=total, completed=total - len(mine))
        self.lines: dict[str, TaskID] = {}

    def __enter__(self) -> StudyProgress:
        self.bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.bar.stop()

    def __call__(self, ended: Ended | None) -> None:
        if ended is not None:
            self._ended(ended)
        if not self.quiet:
            self._draw()

    def _draw(self) -> None:
        held = {
            name: holder.about
            for name, holder in self.claims.held().items()
            if name in self.mine and holder.about
        }
        for name in self.lines.keys() - held.keys():
            self.bar.remove_task(self.lines.pop(name))
        for name, about in held.items():
            if name not in self.lines:
                self.lines[name] = self.bar.add_task("")
            label = f"  {about['model']} · {which(about['seed'], about['fold'])}"
            self.bar.update(
                self.lines[name],
                description=label,
                completed=about.get("epoch", 0),
                total=about["of"],
            )
        self.bar.refresh()

    def _ended(self, ended: Ended) -> None:
        self.bar.advance(self.overall)
        unit, record = ended.unit, ended.record
        name = f"{' '.join((unit.request.model, *unit.request.ablations))} · {unit.dataset} · {which(unit.seed, unit.fold)}"
        if ended.how == "failed" and record:
            say(f"failed: {name}: {record.error}")
        elif self.quiet and record and record.cost:
            say(f"{name} · {record.cost.seconds:.1f} s")


class SearchProgress:
    """A bar over the trials of all searches. Drawn when it is called."""

    def __init__(self, label: str) -> None:
        self.label, self.told = label, -1
        self.bar, self.quiet = new_bar(auto_refresh=False)
        self.task = self.bar.add_task(label, total=None)

    def __enter__(self) -> SearchProgress:
        self.bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.bar.stop()

    def __call__(self, searches: Sequence[Standing]) -> None:
        finished, wanted = sum(s.finished for s in searches), sum(s.wanted for s in searches)
        self.bar.update(self.task, completed=finished, total=wanted)
        self.bar.refresh()
        if self.quiet and wanted and finished != self.told:
            say(f"{self.label} · {finished} of {wanted} trials")
        self.told = finished
