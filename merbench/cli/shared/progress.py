"""Progress on stderr: a bar where one looks at a terminal, a line a run or trial where one reads a
log.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from merbench.cli.shared.output import say


class EncodeProgress:
    """A ``Watch`` for ``engine.encode``, as a task of someone's bar."""

    def __init__(self, bar: Progress, quiet: bool) -> None:
        self.bar, self.quiet = bar, quiet
        self.task = TaskID(0)
        self.told = set[str]()

    def __call__(self, event: str, info: dict[str, Any]) -> None:
        if event == "encode":
            self.task = self.bar.add_task(info["label"], total=info["rows"], completed=info["done"])
            if info["done"] or self.quiet:
                at = f", going on at row {info['done']:,}" if info["done"] else ""
                say(f"encoding {info['label']}: {info['rows']:,} rows{at}")
        elif event == "encoded":
            self.bar.advance(self.task, info["rows"])
        elif event == "encode-waits" and info["label"] not in self.told:
            self.told.add(info["label"])
            say(f"{info['label']}: another process is filling the cache; waiting for it")
        elif event == "encode-notes":
            first = ", ".join(f"{name}: {note}" for name, note in list(info["notes"].items())[:3])
            more = ", ..." if len(info["notes"]) > 3 else ""
            say(
                f"note: {info['label']}: {len(info['notes']):,} of {info['rows']:,} clips are missing or incomplete ({first}{more})"
            )


@contextmanager
def encode_progress() -> Iterator[EncodeProgress]:
    """A bar for encoders alone."""
    bar, quiet = new_bar()
    with bar:
        yield EncodeProgress(bar, quiet)


class RunProgress:
    """A ``Watch`` for ``studies.run``. ``total``: number of runs."""

    def __init__(self, total: int, label: str) -> None:
        self.label = label
        self.now = ""
        self.bar, self.quiet = new_bar()
        self.task = self.bar.add_task(label, total=total)
        self.encoding = EncodeProgress(self.bar, self.quiet)
        self.reused = 0
        self.other_source = 0
        self.told = set[str]()

    def __enter__(self) -> RunProgress:
        self.bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.bar.stop()
        if self.reused:
            say(
                f"{self.label}: {self.reused} run{'s' if self.reused > 1 else ''} taken from the store (--force runs again)"
            )
        if self.other_source:
            say(
                f"{self.label}: {self.other_source} of them were made by another version of the components' source (--force runs again)"
            )

    def __call__(self, event: str, info: dict[str, Any]) -> None:
        if event == "run":
            self.now = f"{self.label} · {which(info['seed'], info['fold'])}"
            self.bar.update(self.task, description=self.now)
        elif event == "epoch":
            self.bar.update(self.task, description=f"{self.now} · {_epoch(info)}")
        elif event == "start" and info["how"] not in self.told:
            self.told.add(info["how"])
            say(f"{self.label}: {info['how']}")
        elif event == "alone":
            say(f"{self.label}: trained one by one, because {info['why']}")
        elif event == "done":
            self._done(info)
        else:
            self.encoding(event, info)

    def _done(self, info: dict[str, Any]) -> None:
        record = info["record"]
        self.bar.advance(self.task)
        self.reused += info["reused"]
        self.other_source += info["other_source"]
        if record.status == "failed":
            say(f"failed: {self.label} · {which(record.seed, record.fold)}: {record.error}")
        elif self.quiet and not info["reused"]:
            say(f"{self.label} · {which(record.seed, record.fold)} · {record.cost.seconds:.1f} s")


class TuneProgress:
    """A ``Watch`` for ``studies.tune``. ``wanted``: number of trials. ``silent``: another process
    speaks for this one.
    """

    def __init__(self, wanted: int, label: str, silent: bool) -> None:
        self.label, self.silent = label, silent
        self.bar, self.quiet = new_bar(silent)
        self.task = self.bar.add_task(label, total=wanted)
        self.told = -1

    def __enter__(self) -> TuneProgress:
        self.bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.bar.stop()

    def __call__(self, event: str, info: dict[str, Any]) -> None:
        if event == "epoch":
            self.bar.update(
                self.task, description=f"{self.label} · trial {info['number']} · {_epoch(info)}"
            )
        elif event == "failed":
            say(f"failed: trial {info['number']}: {info['error']}")
        elif event == "source" and not self.silent:
            say(
                f"{self.label}: earlier trials of this study were made by another version of the components' source"
            )
        elif event == "trials":
            self.bar.update(self.task, completed=info["finished"], total=info["wanted"])
            best = (
                ""
                if info["best"] is None
                else f" · best {info['best'].value:.4f} of trial {info['best'].number}"
            )
            if self.quiet and not self.silent and info["finished"] > max(self.told, 0):
                say(f"{self.label} · {info['finished']} of {info['wanted']} trials{best}")
            self.told = info["finished"]


def new_bar(silent: bool = False, auto_refresh: bool = True) -> tuple[Progress, bool]:
    """A bar on stderr, and whether it is not shown."""
    console = Console(stderr=True)
    quiet = silent or not console.is_terminal
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    return Progress(
        *columns, console=console, transient=True, disable=quiet, auto_refresh=auto_refresh
    ), quiet


def which(seed: int, fold: int | None) -> str:
    """One of the runs that share a label."""
    return f"seed {seed}" + ("" if fold is None else f" fold {fold}")


def _epoch(entry: dict[str, Any]) -> str:
    known = ("stage", "epoch", "loss", "number")
    metric = next(
        (f" · valid {k} {v:.3f}" for k, v in entry.items() if k not in known and v is not None), ""
    )
    return f"epoch {entry['epoch'] + 1}{metric}"
