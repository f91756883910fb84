"""The bar that all progress is drawn on, and what is written beside it."""

from __future__ import annotations

from datetime import timedelta
from types import TracebackType
from typing import Self

from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    Task,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Column
from rich.text import Text

from merbench.api.events import EpochDone
from merbench.terminal.console import console

BESIDE = 32
"""Columns that the counts, the times and a short bar take."""


def resuming_at_trial(finished: int, requested: int) -> str:
    """What a search that was started before says first."""
    if finished >= requested:
        return f"all {requested} trials were made before"
    return f"resuming at trial {finished + 1} of {requested}"


class TimeLeftColumn(TimeRemainingColumn):
    """Rich knows a speed from the second step on; after the first, it is that of the steps that
    were not ``from_before``, a field of tasks that tell these apart. A task with ``seconds_left``
    has an estimate of its own; None = not known yet.
    """

    def render(self, task: Task) -> Text:
        if "seconds_left" in task.fields:
            return self._text(task.fields["seconds_left"])
        steps = task.completed - task.fields.get("from_before", task.completed)
        if task.time_remaining is not None or steps <= 0 or not task.remaining:
            return super().render(task)
        return self._text((task.elapsed or 0.0) / steps * task.remaining)

    @staticmethod
    def _text(seconds: float | None) -> Text:
        text = "-:--:--" if seconds is None else str(timedelta(seconds=int(seconds)))
        return Text(text, style="progress.remaining")


def new_bar(silent: bool = False, auto_refresh: bool = True) -> tuple[Progress, bool]:
    """A bar on stderr, and whether it is not shown."""
    progress_console = console(stderr=True)
    quiet = silent or not progress_console.is_terminal
    # The counts and the times keep their room: a long description is cut.
    description = Column(
        no_wrap=True, overflow="ellipsis", max_width=max(10, progress_console.width - BESIDE)
    )
    columns = (
        TextColumn("{task.description}", markup=False, table_column=description),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeLeftColumn(),
    )
    return Progress(
        *columns, console=progress_console, transient=True, disable=quiet, auto_refresh=auto_refresh
    ), quiet


class DrawnBar:
    """A bar (``self.bar``) that is drawn inside a ``with`` block."""

    bar: Progress

    def __enter__(self) -> Self:
        self.bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.bar.stop()


def which(seed: int, fold: int | None) -> str:
    """One of the runs that share a label."""
    return f"seed {seed}" + ("" if fold is None else f" fold {fold}")


def epoch_text(event: EpochDone) -> str:
    """``epoch 3/50 · valid mae 0.912``."""
    value = "" if event.value is None else f" · valid {event.metric} {event.value:.3f}"
    return f"epoch {event.epoch}/{event.epochs}{value}"
