"""Progress of runs on stderr: a bar where one looks at a terminal, a line a run where one reads a log."""

from __future__ import annotations

from types import TracebackType
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from merbench.cli.session import say


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
