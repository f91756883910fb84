"""Prose for the user goes to stderr, so that stdout holds results alone."""

from __future__ import annotations

import click

from merbench.api.events import Event, Note
from merbench.api.printable import one_line


def say(message: str) -> None:
    """One line, whatever stands in it."""
    click.echo(one_line(message), err=True)


def say_note(event: Event) -> None:
    """A ``Watch`` that shows notes and warnings, and looks at nothing else."""
    if isinstance(event, Note):
        say(f"{'warning: ' if event.warning else ''}{event.sentence}")
