"""The memory that reading one untrusted file may use, and the errors that end it."""

from __future__ import annotations

import re
import time
from typing import Any

MEGABYTE = 10**6
SECONDS = 120.0
"""Of this process's own computing time: a busy machine makes no file unreadable."""
_CLOCK = 1 << 14
"""So many charges pass between two looks at the clock."""
_NAME = re.compile(r"[\w.]{1,60}", re.ASCII)


class Refused(Exception):
    """Ends ``FILE ...``: what it holds that is not admitted."""


class NotWhole(ValueError):
    """The file is no pickle, or not all of one. Its text holds nothing of the file's content."""


class Budget:
    """For one file, however many pickles are in it: an estimate of the memory of all objects that
    were ever made, at most 200 MB and 1.5 times the file, and the time.
    """

    def __init__(self, file_bytes: int) -> None:
        self.bytes = 200 * MEGABYTE + file_bytes * 3 // 2
        self.until = time.process_time() + SECONDS
        self._charges = 0

    def spend(self, n_bytes: int) -> None:
        """Refused where the file costs more than it may."""
        self.bytes -= n_bytes
        self._charges += 1
        if self.bytes < 0:
            raise Refused("would take more than 200 MB and 1.5 times its size in memory")
        if not self._charges % _CLOCK and time.process_time() > self.until:
            raise Refused(f"takes more than {SECONDS:.0f} s to read")


def shown(name: Any) -> str:
    """A name out of a file as it may be printed: the shape of a name, and no other content."""
    match = _NAME.match(name) if type(name) is str else None
    return match[0] if match else "(a name that is none)"
