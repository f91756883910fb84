"""Text of others as characters that a terminal shows and does not obey."""

from __future__ import annotations

import re

# C0 but tab and newline, DEL, C1, the marks that turn the direction of writing, and halves of
# pairs, which no file can hold.
_UNPRINTABLE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\u2028\u2029\ud800-\udfff]"
)


def printable(text: str) -> str:
    """``"\\x1b[2J"`` as the characters that spell it."""
    return _UNPRINTABLE.sub(lambda sign: f"\\x{ord(sign[0]):02x}", text)


def one_line(sentence: str) -> str:
    """A sentence with the name of a file, in which a newline may be."""
    return sentence.replace("\n", "\\n")


def json_printable(text: str) -> str:
    """JSON of the same value: where a terminal might obey a character, JSON's escape stands."""
    return _UNPRINTABLE.sub(lambda sign: f"\\u{ord(sign[0]):04x}", text)
