"""Text of others on a terminal: labels, transcripts, names and plugins move no cursor and set no
title.
"""

from __future__ import annotations

import re
from typing import Any, TextIO

# C0 but tab and newline, DEL, C1, and the marks that turn the direction of writing.
_UNPRINTABLE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\u2028\u2029]"
)


def printable(text: str) -> str:
    """``"\\x1b[2J"`` as the characters that spell it."""
    return _UNPRINTABLE.sub(lambda sign: f"\\x{ord(sign[0]):02x}", text)


def json_printable(text: str) -> str:
    """JSON of the same value: where a terminal might obey a character, JSON's escape stands."""
    return _UNPRINTABLE.sub(lambda sign: f"\\u{ord(sign[0]):04x}", text)


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
