"""The process of a command: what plugins leave behind spoils no result and keeps nobody waiting."""

from __future__ import annotations

import gc
import os
import threading
from contextlib import suppress

from merbench.cli.main import main
from merbench.runs.waiting_threads import spin_briefly
from merbench.terminal.messages import say

PATIENCE = 20.0
"""Seconds that threads and functions at the end of the program may take after the command."""


def program() -> None:
    """``main`` as a process of its own."""
    threading.excepthook = say_thread_error
    # What is imported, and the records of a board, live to the end; the collector went through them
    # again and again, a seventh of what importing torch takes and a sixth of verify.
    gc.set_threshold(50_000, 10, 10)
    spin_briefly(os.environ)
    code: object = 1
    try:
        main()
    except SystemExit as leaving:
        code = leaving.code or 0
        raise
    finally:
        leave_in_time(code if isinstance(code, int) else 1)


def leave_in_time(code: int, patience: float = PATIENCE) -> None:
    """What is printed from now on goes to stderr, because the result is whole; the process ends
    with ``code`` after ``patience`` seconds, if it has not before.
    """
    with suppress(OSError):
        os.dup2(2, 1)
    timer = threading.Timer(patience, _leave, (code, patience))
    timer.daemon = True
    with suppress(RuntimeError):  # no further thread
        timer.start()


def _leave(code: int, patience: float) -> None:
    others = (threading.main_thread(), threading.current_thread())
    threads = [t.name for t in threading.enumerate() if t not in others and not t.daemon]
    subject = f"thread {threads[0]!r}" if threads else "what it does at the end of the program"
    with suppress(Exception):
        say(
            f"warning: the command is done; of a plugin {subject} is not over after "
            f"{patience:g} s, and is left"
        )
    os._exit(code)


def say_thread_error(error: threading.ExceptHookArgs) -> None:
    """One line for a thread of a library that broke off: what needed it says what is missing."""
    if error.exc_type is not SystemExit:
        name = error.thread.name if error.thread else "?"
        say(f"warning: thread {name} broke off: {error.exc_type.__name__}: {error.exc_value}")
