"""The way out where a plugin cannot be interrupted while it is read."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator

from merbench.host.guarded_imports import SECONDS

PATIENCE = 2 * SECONDS + 5
"""Seconds: its import and its hooks have a limit each, which most of what hangs keeps."""


@contextlib.contextmanager
def watched(plugin: str, seconds: float = PATIENCE) -> Iterator[None]:
    """Ends this process, with a sentence that names the ``plugin``, where the block is not over
    after ``seconds``: code that ignores alarms, or catches all that is raised, never ends.
    """
    sentence = (
        f"error: plugin {plugin!r} is not read after {seconds:g} s and cannot be interrupted; "
        f"leave it out with --no-plugin {plugin!r}\n"
    )
    leave = os._exit
    with contextlib.ExitStack() as at_the_end:
        stderr = 2
        with contextlib.suppress(OSError):  # it is closed
            stderr = os.dup(2)  # which a plugin cannot close
            at_the_end.callback(os.close, stderr)

        def give_up() -> None:
            with contextlib.suppress(OSError):
                os.write(stderr, sentence.encode())
            leave(2)

        timer = threading.Timer(seconds, give_up)
        timer.daemon = True
        with contextlib.suppress(RuntimeError):  # no further thread: plugins can still be read
            timer.start()
        at_the_end.callback(timer.cancel)
        yield
