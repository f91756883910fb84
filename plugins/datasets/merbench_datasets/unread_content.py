"""What a source holds beside what is read of it: it is named, never dropped in silence."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from merbench.api import Sink

_MOST_NAMED = 12


def note_unread_names(sink: Sink, origin: str, names: Iterable[object], read: set[str]) -> None:
    """``origin``: what has the fields or columns ``names``, of which those in ``read`` are read."""
    unread = sorted({str(name) for name in names} - read)
    if unread:
        more = ", ..." if len(unread) > _MOST_NAMED else ""
        sink.note(f"not taken over of {origin}: {', '.join(unread[:_MOST_NAMED])}{more}")


def note_unread_files(sink: Sink, folder: Path, read: set[str]) -> None:
    """``read``: names of the files and folders of ``folder`` that are read."""
    names = [path.name for path in folder.iterdir() if not path.name.startswith(".")]
    note_unread_names(sink, folder.name, names, read)
