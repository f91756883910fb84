"""Prose for the user goes to stderr, so that stdout holds results alone."""

from __future__ import annotations

import os
import sys
import textwrap

import click

from merbench.api.control_characters import one_line
from merbench.api.events import Event, Note


def say(message: str) -> None:
    """One line, whatever stands in it; a terminal gets it wrapped between words."""
    line, width = one_line(message), _terminal_width()
    if width:
        line = textwrap.fill(line, width, break_long_words=False, break_on_hyphens=False)
    click.echo(line, err=True)


def say_command(message: str) -> None:
    """As ``say``, never wrapped: it holds a command, which a terminal copies whole as it is."""
    click.echo(one_line(message), err=True)


def _terminal_width() -> int | None:
    try:
        return os.get_terminal_size(sys.stderr.fileno()).columns
    except (OSError, ValueError):
        return None


def say_note(event: Event) -> None:
    """A ``Watch`` that shows notes and warnings, and looks at nothing else."""
    if isinstance(event, Note):
        say(f"{'warning: ' if event.warning else ''}{event.sentence}")
