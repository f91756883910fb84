"""Text of others on a terminal: labels, transcripts, names and plugins move no cursor and set no
title.
"""

from __future__ import annotations

import threading
from typing import Any, TextIO

from merbench.api.control_characters import printable


class PrintableStream:
    """A text stream through which only printable text goes; ``unfiltered`` is for what draws with
    control characters itself. ``from_others``: where goes what other threads than the one that
    made it write, such as those that a plugin has started.
    """

    def __init__(self, stream: TextIO, from_others: PrintableStream | None = None) -> None:
        self.unfiltered = stream
        self._from_others, self._owner = from_others, threading.get_ident()
        if hasattr(stream, "reconfigure"):
            # What the terminal's encoding lacks is spelled out, not an error.
            stream.reconfigure(errors="backslashreplace")

    def write(self, text: str) -> int:
        if self._from_others and threading.get_ident() != self._owner:
            return self._from_others.write(text)
        return self.unfiltered.write(printable(text))

    def writelines(self, lines: Any) -> None:
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.unfiltered, name)
