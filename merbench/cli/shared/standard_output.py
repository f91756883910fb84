"""Standard output that takes nothing more: a full disk, or a reader that has gone."""

from __future__ import annotations

import os
import sys


def flush_output() -> None:
    """OSError that names standard output where it cannot take what was printed."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        raise OSError(error.errno, error.strerror, "standard output") from error


def can_flush() -> bool:
    try:
        sys.stdout.flush()
    except OSError:
        return False
    return True


def abandon_output() -> None:
    """Nothing more can be written to standard output, also not while the interpreter shuts down."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
