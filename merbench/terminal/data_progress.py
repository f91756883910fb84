"""Progress of long work with data on stderr: a bar at a terminal, one line a step in a log."""

from __future__ import annotations

from rich.progress import (
    BarColumn,
    Progress,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from merbench.terminal.console import console
from merbench.terminal.messages import say
from merbench.terminal.progress_bar import DrawnBar


class DataProgress(DrawnBar):
    """Called with what is being done, how far it is, and of how much."""

    def __init__(self, label: str) -> None:
        self.label, self.step = label, ""
        progress_console = console(stderr=True)
        self.quiet = not progress_console.is_terminal
        columns = (
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TaskProgressColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
        )
        self.bar = Progress(*columns, console=progress_console, transient=True, disable=self.quiet)
        self.task = self.bar.add_task(label, total=None)

    def __call__(self, step: str, done: int, total: int) -> None:
        if step != self.step:
            self.step = step
            self.bar.reset(self.task, description=f"{self.label} · {step}", total=total)
            if self.quiet:
                say(f"{self.label} · {step}")
        self.bar.update(self.task, completed=done, total=total)
