"""Threads of one process take turns: torch has one source of random numbers for all of them, and
while a plugin is read, what it prints is kept from descriptors that they share.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from merbench.terminal.messages import say

TELL = 5.0
"""Seconds of waiting after which it is said."""
_TURN = threading.RLock()


@contextmanager
def in_turn(call: str) -> Iterator[None]:
    """Waits while another thread is in such a block. ``call``: what waits, for the sentence."""
    if not _TURN.acquire(timeout=TELL):
        say(f"{call} waits for a call of another thread: those of one process take turns")
        _TURN.acquire()
    try:
        yield
    finally:
        _TURN.release()
