"""Progress of a search on stderr: a bar at a terminal, one line a trial in a log."""

from __future__ import annotations

from merbench.api.events import (
    Event,
    Note,
    SearchProgress,
    TrialDone,
    TrialEpoch,
    Watch,
    ignore,
)
from merbench.terminal.encode_progress import EncodeProgress
from merbench.terminal.messages import say
from merbench.terminal.progress_bar import DrawnBar, epoch_text, new_bar, resuming_at_trial


class TuneProgress(DrawnBar):
    """Watches a search of ``n_trials``. ``silent``: another process speaks for this one."""

    def __init__(self, n_trials: int, label: str, silent: bool, also: Watch = ignore) -> None:
        self.label, self.silent, self.also = label, silent, also
        self.bar, self.quiet = new_bar(silent)
        self.task = self.bar.add_task(label, total=n_trials)
        self.n_finished: int | None = None
        """Trials; None before anything is known of the search."""
        self.encoding = EncodeProgress(self.bar, self.quiet)

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
            say(f"{self.label}: {resuming_at_trial(event.finished, event.wanted)}{best}")
        elif self.quiet and not self.silent and event.finished > (self.n_finished or 0):
            say(f"{self.label} · {event.finished} of {event.wanted} trials{best}")
        self.n_finished = event.finished
