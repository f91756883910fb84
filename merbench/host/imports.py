"""What plugins do while they are read, guarded: it may not print, and it has limited time."""

from __future__ import annotations

import contextlib
import io
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from importlib.metadata import EntryPoint
from typing import Any, TypeVar

T = TypeVar("T")
SECONDS = 10.0
"""A hooks module imports nothing heavy, so that this is a hundred times what it needs."""


class ImportTimeout(BaseException):
    """The import of a plugin, or its hooks, were broken off."""


def import_plugin(entry: EntryPoint, seconds: float = SECONDS) -> tuple[Any, str]:
    """``(module, output)``: what the entry point names, and what its import printed."""
    return guarded(entry.load, "its import was", seconds)


def guarded(call: Callable[[], T], subject: str, seconds: float = SECONDS) -> tuple[T, str]:
    """``(result, output)``: what ``call`` returns, and what it printed.

    Output is kept away from stdout, which holds results alone. TimeoutError, with ``subject`` in
    its sentence, after ``seconds``; whatever else is raised is raised.
    """
    output = io.StringIO()
    with contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
        try:
            with _time_limit(seconds):
                result = call()
        except ImportTimeout:
            raise TimeoutError(f"{subject} not over after {seconds:g} s") from None
    return result, output.getvalue().strip()


def off_stdout() -> contextlib.AbstractContextManager[object]:
    """In the block, whatever a part of a plugin prints goes to stderr."""
    return contextlib.redirect_stdout(sys.stderr)


@contextlib.contextmanager
def _time_limit(seconds: float) -> Iterator[None]:
    """Raises ImportTimeout in the block. No limit outside of the main thread and on Windows, where
    nothing can interrupt an import.
    """
    if threading.current_thread() is not threading.main_thread() or not hasattr(signal, "SIGALRM"):
        yield
        return

    def stop(number: int, frame: Any) -> None:
        raise ImportTimeout

    previous_handler = signal.signal(signal.SIGALRM, stop)
    # Again every second, should the import catch everything.
    signal.setitimer(signal.ITIMER_REAL, seconds, 1.0)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous_handler)
