"""Progress of runs on stderr: a bar where one looks at a terminal, a line a run where one reads a log."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from merbench.cli.session import say

if TYPE_CHECKING:
    from merbench.results.store import Store
    from merbench.studies.study import Ended


class RunProgress:
    """A ``Watch`` for ``studies.run``. ``total``: number of runs."""

    def __init__(self, total: int, label: str) -> None:
        self.label = label
        self.now = ""
        console = Console(stderr=True)
        self.quiet = not console.is_terminal
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn())
        self.bar = Progress(*columns, console=console, transient=True, disable=self.quiet)
        self.task = self.bar.add_task(label, total=total)
        self.reused = 0
        self.other_source = 0

    def __enter__(self) -> RunProgress:
        self.bar.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.bar.stop()
        if self.reused:
            say(f"{self.label}: {self.reused} run{'s' if self.reused > 1 else ''} taken from the store (--force runs again)")
        if self.other_source:
            say(f"{self.label}: {self.other_source} of them were made by another version of the components' source (--force runs again)")

    def __call__(self, event: str, info: dict[str, Any]) -> None:
        if event == "run":
            fold = "" if info["fold"] is None else f" fold {info['fold']}"
            self.now = f"{self.label} · seed {info['seed']}{fold}"
            self.bar.update(self.task, description=self.now)
        elif event == "epoch":
            metric = next((f"valid {k} {v:.3f}" for k, v in info.items() if k not in ("stage", "epoch", "loss") and v is not None), "")
            self.bar.update(self.task, description=f"{self.now} · epoch {info['epoch'] + 1} · {metric}")
        elif event == "done":
            self._done(info)

    def _done(self, info: dict[str, Any]) -> None:
        record = info["record"]
        self.bar.advance(self.task)
        self.reused += info["reused"]
        self.other_source += info["other_source"]
        if record.status == "failed":
            say(f"failed: {record.spec.model} seed {record.seed}: {record.error}")
        elif self.quiet and not info["reused"]:
            fold = "" if record.fold is None else f" fold {record.fold}"
            say(f"{self.label} · seed {record.seed}{fold} · {record.cost.seconds:.1f} s")


class StudyProgress:
    """A bar over all runs of a study, and a line a run that is being made now, by whatever process. It is drawn when it is called."""

    def __init__(self, label: str, total: int, done: int, store: Store) -> None:
        from merbench.results.claims import Claims

        self.label, self.total = label, total
        self.claims = Claims(store.root)
        console = Console(stderr=True)
        self.quiet = not console.is_terminal
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn())
        # Without a thread of its own, which would be in the way of processes that are forked from this one.
        self.bar = Progress(*columns, console=console, transient=True, disable=self.quiet, auto_refresh=False)
        self.overall = self.bar.add_task(label, total=total, completed=done)
        self.running: dict[str, TaskID] = {}

    def __enter__(self) -> StudyProgress:
        self.bar.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.bar.stop()

    def __call__(self, ended: Ended | None) -> None:
        if ended is not None:
            self._ended(ended)
        if self.quiet:
            return
        held = self.claims.held()
        for name in self.running.keys() - held.keys():
            self.bar.remove_task(self.running.pop(name))
        for name, holder in held.items():
            about = holder.about
            if about.get("model"):
                if name not in self.running:
                    self.running[name] = self.bar.add_task("", total=about.get("of"))
                fold = "" if about["fold"] is None else f" fold {about['fold']}"
                self.bar.update(
                    self.running[name],
                    description=f"  {about['model']} · seed {about['seed']}{fold}",
                    completed=about.get("epoch", 0),
                    total=about.get("of"),
                )
        self.bar.refresh()

    def _ended(self, ended: Ended) -> None:
        self.bar.advance(self.overall)
        record = ended.record
        fold = "" if ended.unit.fold is None else f" fold {ended.unit.fold}"
        name = (
            f"{' '.join((ended.unit.request.model, *ended.unit.request.ablations))} · {ended.unit.dataset} · seed {ended.unit.seed}{fold}"
        )
        if ended.how == "failed" and record:
            say(f"failed: {name}: {record.error}")
        elif self.quiet and record and record.cost:
            say(f"{name} · {record.cost.seconds:.1f} s")
