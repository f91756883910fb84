"""Text of others on a terminal: labels, transcripts, names and plugins move no cursor and set no
title.
"""

from __future__ import annotations

from typing import Any, TextIO

from merbench.api.printable import printable


class PrintableStream:
    """A text stream through which only printable text goes; ``unfiltered`` is for what draws with
    control characters itself.
    """

    def __init__(self, stream: TextIO) -> None:
        self.unfiltered = stream
        if hasattr(stream, "reconfigure"):
            # What the terminal's encoding lacks is spelled out, not an error.
            stream.reconfigure(errors="backslashreplace")

    def write(self, text: str) -> int:
        return self.unfiltered.write(printable(text))

    def writelines(self, lines: Any) -> None:
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.unfiltered, name)
