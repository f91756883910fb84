"""The program as a user calls it, in this process: an exit code, and sentences without a traceback."""

from __future__ import annotations

import contextlib
import io
import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple


@contextlib.contextmanager
def at_home(home: Path, folder: Path) -> Iterator[None]:
    """In ``folder``, with an environment of nobody."""
    before, environ = Path.cwd(), dict(os.environ)
    for name in [n for n in os.environ if n.startswith("MERBENCH_")]:
        del os.environ[name]
    os.environ |= {"HOME": str(home), "XDG_DATA_HOME": str(home), "XDG_CACHE_HOME": str(home)}
    try:
        os.chdir(folder)
        yield
    finally:
        os.chdir(before)
        os.environ.clear()
        os.environ.update(environ)


class Called(NamedTuple):
    """``fault`` is empty where the call ended as any should."""

    fault: str
    code: int
    stdout: str
    stderr: str


def call(words: Sequence[str], seconds: float = 300.0) -> Called:
    """``seconds``: after which it counts as hanging, and is interrupted."""
    from merbench.cli.main import main

    out, err, argv = io.StringIO(), io.StringIO(), sys.argv
    sys.argv = ["merbench", *words]
    fault, code = "it did not end with an exit code", -1
    main_thread = threading.main_thread().ident
    assert main_thread
    hang = threading.Timer(seconds, signal.pthread_kill, (main_thread, signal.SIGINT))
    hang.start()
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            main()
    except SystemExit as stop:
        text = out.getvalue() + err.getvalue()
        code = stop.code or 0
        fault = "" if code in (0, 1, 2) else f"exit code {code}"
        if code and not text.strip():
            fault = "not a word"
        if "\x1b" in text or "Traceback" in text:
            fault = "a control character or traceback in what it says"
    except BaseException as error:
        fault = f"{type(error).__name__}: {str(error)[:100]}"
    finally:
        hang.cancel()
        sys.argv = argv
    return Called(fault, code, out.getvalue(), err.getvalue())
