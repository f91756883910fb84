"""Progress of frozen encoders on stderr: a task of a bar at a terminal, lines in a log; and what
they counted on the way.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich.progress import Progress, TaskID

from merbench.api.events import (
    EncodingCounts,
    EncodingNotes,
    EncodingStarted,
    Event,
    Note,
    RowsEncoded,
    Waiting,
    Watch,
    ignore,
)
from merbench.api.plural import are, count_of
from merbench.terminal.messages import say
from merbench.terminal.progress_bar import new_bar

SHARES = {
    "truncated_rate": "of the texts were cut",
    "lowered_rate": "of the texts are read in lower case",
    "apostrophe_rate": "of the texts have lost apostrophes set again",
    "faceless_rate": "of the frames show no face",
}
"""What merbench's own encoders count: the name that records have, in words."""


def in_words(name: str, value: float) -> str:
    """A count of an encoder: ``100 % of the texts are read in lower case``."""
    if name in SHARES:
        return f"{100 * value:.3g} % {SHARES[name]}"
    return f"{name.replace('_', ' ')} {value:.3g}"


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
            case Note(sentence=sentence):
                say(f"note: {sentence}")
            case EncodingCounts(label=label, counts=counts):
                say(f"note: {label}: {', '.join(in_words(*count) for count in counts.items())}")


@contextmanager
def encode_progress(silent: bool = False) -> Iterator[Watch]:
    """A bar for encoders alone."""
    bar, quiet = new_bar(silent)
    with bar:
        yield ignore if silent else EncodeProgress(bar, quiet)
