"""Progress on stderr: a bar at a terminal, one line a run or trial in a log."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from types import TracebackType

from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    Task,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Column
from rich.text import Text

from merbench.api.events import (
    EncodingCounts,
    EncodingNotes,
    EncodingStarted,
    EpochDone,
    Event,
    Note,
    RowsEncoded,
    RunDone,
    RunResumed,
    RunStarted,
    SearchProgress,
    TrainedAlone,
    TrialDone,
    TrialEpoch,
    Waiting,
    Watch,
    WeightsLoaded,
    ignore,
)
from merbench.api.plural import are, count_of
from merbench.terminal.console import console
from merbench.terminal.messages import say

BESIDE = 32
"""Columns that the counts, the times and a short bar take."""


class EncodeProgress:
    """Watches encoders, as a task of someone's bar."""

    def __init__(self, bar: Progress, quiet: bool) -> None:
        self.bar, self.quiet = bar, quiet
        self.tasks: dict[str, TaskID] = {}
        self.waited_for = set[str]()

    def __call__(self, event: Event) -> None:
        match event:
            case EncodingStarted(label=label, rows=rows, done=done):
                self.tasks[label] = self.bar.add_task(
                    label, total=rows, completed=done, from_before=done
                )
                if done or self.quiet:
                    resumed = f", resuming at row {done:,}" if done else ""
                    say(f"encoding {label}: {count_of(rows, 'row')}{resumed}")
            case RowsEncoded(label=label, rows=rows):
                self.bar.advance(self.tasks[label], rows)
            case Waiting(sentence=sentence) if sentence not in self.waited_for:
                self.waited_for.add(sentence)
                say(sentence)
            case EncodingNotes(label=label, rows=rows, notes=notes):
                notes_text = ", ".join(f"{name}: {note}" for name, note in list(notes.items())[:3])
                ellipsis = ", ..." if len(notes) > 3 else ""
                say(
                    f"note: {label}: {len(notes):,} of {count_of(rows, 'clip')} "
                    f"{are(len(notes))} missing or incomplete "
                    f"({notes_text}{ellipsis})"
                )
            case EncodingCounts(label=label, counts=counts):
                counts_text = ", ".join(f"{name} {value:.3g}" for name, value in counts.items())
                say(f"note: {label}: {counts_text}")


@contextmanager
def encode_progress() -> Iterator[EncodeProgress]:
    """A bar for encoders alone."""
    bar, quiet = new_bar()
    with bar:
        yield EncodeProgress(bar, quiet)


class RunProgress:
    """Watches the runs of one plan, ``n_runs`` of them. The bar counts epochs, so that time left is
    known from the first epoch on; a run that stops early counts in full.
    """

    def __init__(self, n_runs: int, label: str, silent: bool = False, also: Watch = ignore) -> None:
        """``silent``: nothing is shown but failures. ``also``: another watcher of the same."""
        self.label, self.n_runs, self.silent, self.also = label, n_runs, silent, also
        self.bar, self.quiet = new_bar(silent)
        self.task = self.bar.add_task(label, total=n_runs)
        self.encoding = EncodeProgress(self.bar, self.quiet)
        self.epochs_by_run: dict[str, int] = {}
        self.epochs_a_run = 1
        self.resumed_epochs = 0
        self.n_done = self.n_reused = self.n_other_source = 0
        self.reuse_is_said = False
        self.shown_sentences = set[str]()

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
        if self.silent:
            return
        self._say_reused()
        if self.n_other_source:
            were = "was" if self.n_other_source == 1 else "were"
            say(
                f"{self.label}: {self.n_other_source} of them {were} made by another version of "
                "the components' source (--force runs again)"
            )

    def __call__(self, event: Event) -> None:
        self.also(event)
        if not self.silent or (isinstance(event, RunDone) and event.status == "failed"):
            self._show(event)

    def _say_reused(self) -> None:
        """Once: before the first run that is made, or at the end where none is."""
        if not self.n_reused or self.reuse_is_said:
            return
        self.reuse_is_said = True
        runs = "run" if self.n_reused == 1 else "runs"
        sentence = f"{self.label}: {self.n_reused} {runs} taken from the store (--force runs again)"
        if self.n_reused < self.n_runs:
            sentence += f"; resuming at run {self.n_reused + 1} of {self.n_runs}"
        say(sentence)

    def _show(self, event: Event) -> None:
        match event:
            case RunStarted():
                self._say_reused()
                self.epochs_a_run = max(1, event.epochs)
                self.epochs_by_run[event.run_id] = 0
                self._draw(f"{self.label} · {which(event.seed, event.fold)}")
            case RunResumed():
                self.epochs_by_run[event.run_id] = event.epoch
                self.resumed_epochs += event.epoch
                self._draw(None)
                say(
                    f"{self.label} · {which(event.seed, event.fold)}: "
                    f"resuming after epoch {event.epoch} of {event.epochs}"
                )
            case EpochDone():
                self.epochs_by_run[event.run_id] = event.epoch
                of_run = which(event.seed, event.fold)
                self._draw(f"{self.label} · {of_run} · {epoch_text(event)}")
            case WeightsLoaded(sentence=sentence):
                self._say_once(f"{self.label}: {sentence}")
            case TrainedAlone(reason=reason):
                say(f"{self.label}: trained one by one, because {reason}")
            case RunDone():
                self._done(event)
            case Note():
                self._say_once(f"{'warning' if event.warning else 'note'}: {event.sentence}")
            case _:
                self.encoding(event)

    def _say_once(self, sentence: str) -> None:
        if sentence not in self.shown_sentences:
            self.shown_sentences.add(sentence)
            say(sentence)

    def _done(self, event: RunDone) -> None:
        self.n_done += 1
        self.epochs_by_run.pop(event.run_id, None)
        self.n_reused += event.reused
        self.n_other_source += event.other_source
        self._draw(None)
        name = f"{self.label} · {which(event.seed, event.fold)}"
        if event.status == "failed":
            say(f"failed: {name}: {event.error}")
        elif self.quiet and not event.reused:
            say(f"{name} · {event.seconds:.1f} s")

    def _draw(self, description: str | None) -> None:
        """``completed`` of ``total`` epochs, the runs that are done in full."""
        epochs = self.n_done * self.epochs_a_run + sum(self.epochs_by_run.values())
        self.bar.update(
            self.task,
            description=description,
            completed=epochs,
            total=self.n_runs * self.epochs_a_run,
            from_before=self.n_reused * self.epochs_a_run + self.resumed_epochs,
        )


class TuneProgress:
    """Watches a search of ``n_trials``. ``silent``: another process speaks for this one."""

    def __init__(self, n_trials: int, label: str, silent: bool, also: Watch | None = None) -> None:
        self.label, self.silent, self.also = label, silent, also or ignore
        self.bar, self.quiet = new_bar(silent)
        self.task = self.bar.add_task(label, total=n_trials)
        self.n_finished: int | None = None
        """Trials; None before anything is known of the search."""
        self.encoding = EncodeProgress(self.bar, self.quiet)

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

    def __call__(self, event: Event) -> None:
        self.also(event)
        match event:
            case TrialEpoch(trial=trial, epoch=epoch):
                description = f"{self.label} · trial {trial} · {epoch_text(epoch)}"
                self.bar.update(self.task, description=description)
            case TrialDone(status="failed"):
                say(f"failed: trial {event.trial}: {event.error}")
            case Note(sentence=sentence) if not self.silent:
                say(f"{self.label}: {sentence}")
            case SearchProgress():
                self._draw(event)
            case _:
                self.encoding(event)

    def _draw(self, event: SearchProgress) -> None:
        if self.n_finished is None:
            self.bar.update(self.task, from_before=event.finished)
        self.bar.update(self.task, completed=event.finished, total=event.wanted)
        best = ""
        if event.best is not None:
            best = f" · best {event.best:.4f} of trial {event.best_trial}"
        if self.n_finished is None and event.finished and not self.silent:
            say(f"{self.label}: {going_on_at_trial(event.finished, event.wanted)}{best}")
        elif self.quiet and not self.silent and event.finished > (self.n_finished or 0):
            say(f"{self.label} · {event.finished} of {event.wanted} trials{best}")
        self.n_finished = event.finished


def going_on_at_trial(finished: int, requested: int) -> str:
    """What a search that was started before says first."""
    if finished >= requested:
        return f"all {requested} trials were made before"
    return f"resuming at trial {finished + 1} of {requested}"


class TimeLeftColumn(TimeRemainingColumn):
    """Rich knows a speed from the second step on; after the first, it is that of the steps that
    were not ``from_before``, a field of tasks that tell these apart.
    """

    def render(self, task: Task) -> Text:
        steps = task.completed - task.fields.get("from_before", task.completed)
        if task.time_remaining is not None or steps <= 0 or not task.remaining:
            return super().render(task)
        seconds = int((task.elapsed or 0.0) / steps * task.remaining)
        return Text(str(timedelta(seconds=seconds)), style="progress.remaining")


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


def which(seed: int, fold: int | None) -> str:
    """One of the runs that share a label."""
    return f"seed {seed}" + ("" if fold is None else f" fold {fold}")


def epoch_text(event: EpochDone) -> str:
    """``epoch 3/50 · valid mae 0.912``."""
    value = "" if event.value is None else f" · valid {event.metric} {event.value:.3f}"
    return f"epoch {event.epoch}/{event.epochs}{value}"
