"""Progress of runs on stderr: a bar at a terminal, one line a run in a log."""

from __future__ import annotations

from types import TracebackType

from merbench.api.events import (
    EpochDone,
    Event,
    Note,
    RunDone,
    RunResumed,
    RunStarted,
    TrainedAlone,
    Watch,
    WeightsLoaded,
    ignore,
)
from merbench.api.plural import count_of
from merbench.terminal.encode_progress import EncodeProgress
from merbench.terminal.messages import say
from merbench.terminal.progress_bar import DrawnBar, epoch_text, new_bar, which


class RunProgress(DrawnBar):
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

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        super().__exit__(kind, error, trace)
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
        runs = count_of(self.n_reused, "run")
        sentence = f"{self.label}: {runs} taken from the store (--force runs again)"
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
