"""What plugins do while they are read, guarded: it may not print, and it has limited time."""

from __future__ import annotations

import contextlib
import io
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any, TypeVar

from merbench.host.number_settings import number_settings_kept

T = TypeVar("T")
SECONDS = 10.0
"""A hooks module imports nothing heavy, so that this is a hundred times what it needs."""


class ImportTimeout(BaseException):
    """The import of a plugin, or its hooks, were broken off."""


def import_plugin(entry: EntryPoint, seconds: float | None = SECONDS) -> tuple[Any, str]:
    """``(module, output)``: what the entry point names, and what its import printed."""
    if not EntryPoint.pattern.match(entry.value):
        raise ValueError(
            f"its entry point {entry.value!r} is not of the form MODULE or MODULE:NAME"
        )
    return guarded(entry.load, "its import was", seconds)


def guarded(call: Callable[[], T], subject: str, seconds: float | None = SECONDS) -> tuple[T, str]:
    """``(result, output)``: what ``call`` returns, and what it printed.

    Output is kept away from stdout, which holds results alone. TimeoutError, with ``subject`` in
    its sentence, after ``seconds`` (None: never); SystemExit for what would end this process, or
    interrupt it without the user; whatever else is raised is raised.
    """
    output = io.StringIO()
    with (
        _interpreter_kept(),
        number_settings_kept(),
        _descriptors_kept(),
        _streams_to(output),
        _folder_kept(),
        _ends_raise(),
        _signals_kept(),
    ):
        try:
            with _time_limit(seconds):
                result = call()
        except ImportTimeout:
            raise TimeoutError(f"{subject} not over after {seconds:g} s") from None
    return result, "" if output.closed else output.getvalue().strip()


@contextlib.contextmanager
def _streams_to(output: io.StringIO) -> Iterator[None]:
    """Those of the interpreter too, which a plugin could close."""
    names = ("stdout", "stderr", "__stdout__", "__stderr__")
    before = {name: getattr(sys, name) for name in names}
    try:
        for name in names:
            setattr(sys, name, output)
        yield
    finally:
        for name, stream in before.items():
            setattr(sys, name, stream)


@contextlib.contextmanager
def _descriptors_kept() -> Iterator[None]:
    """What libraries write past Python's streams goes nowhere, and a descriptor that the plugin
    closes is open again.
    """
    kept: dict[int, int] = {}
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        for descriptor in (1, 2):
            with contextlib.suppress(OSError):  # it was closed before
                kept[descriptor] = os.dup(descriptor)
                os.dup2(nowhere, descriptor)
        yield
    finally:
        for descriptor, copy in kept.items():
            os.dup2(copy, descriptor)
            os.close(copy)
        os.close(nowhere)


@contextlib.contextmanager
def _interpreter_kept() -> Iterator[None]:
    """How deep functions may call each other, where modules are, who may read new files, and that
    nobody looks on.
    """
    depth, trace, profile = sys.getrecursionlimit(), sys.gettrace(), sys.getprofile()
    path, mask = [*sys.path], os.umask(0)
    os.umask(mask)
    try:
        yield
    finally:
        # cProfile's own object is no function: it stays where nothing took its place.
        if sys.gettrace() is not trace:
            sys.settrace(trace)
        if sys.getprofile() is not profile:
            sys.setprofile(profile if callable(profile) else None)
        sys.setrecursionlimit(depth)
        os.umask(mask)
        sys.path += [folder for folder in path if folder not in sys.path]


@contextlib.contextmanager
def _folder_kept() -> Iterator[None]:
    """Paths that the user gave are still those of the folder where the program was started."""
    with contextlib.ExitStack() as at_the_end:
        with contextlib.suppress(OSError):  # it is gone already
            at_the_end.callback(os.chdir, Path.cwd())
        yield


@contextlib.contextmanager
def _ends_raise() -> Iterator[None]:
    """What ends this process, or sends it a signal, raises SystemExit. A process that a plugin
    forks may do so.
    """
    process = os.getpid()
    addresses: dict[str, tuple[int, ...]] = {"kill": (process, 0, -1)}
    if hasattr(os, "killpg"):
        addresses["killpg"] = (os.getpgrp(), 0)
    before = {name: getattr(os, name) for name in ("_exit", "abort", *addresses)}

    def stopped(name: str) -> Callable[..., Any]:
        def stop(*arguments: Any) -> Any:
            ends = name not in addresses or (
                arguments[0] in addresses[name] and arguments[1] != 0  # 0: only asks who lives
            )
            if os.getpid() != process or not ends:
                return before[name](*arguments)
            raise SystemExit(f"os.{name}({', '.join(map(str, arguments))})")

        return stop

    try:
        for name in before:
            setattr(os, name, stopped(name))
        yield
    finally:
        for name, function in before.items():
            setattr(os, name, function)


@contextlib.contextmanager
def _signals_kept() -> Iterator[None]:
    """What the user's signals do afterwards is what they did before. SystemExit for a
    KeyboardInterrupt that no signal has raised.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    by_user: list[int] = []

    def interrupt(number: int, frame: Any) -> None:
        by_user.append(number)
        handler = before[signal.SIGINT]
        if callable(handler):
            handler(number, frame)

    try:
        if callable(before[signal.SIGINT]):
            signal.signal(signal.SIGINT, interrupt)
        yield
    except KeyboardInterrupt as error:
        if by_user:
            raise
        raise SystemExit("KeyboardInterrupt").with_traceback(error.__traceback__) from None
    finally:
        for number, handler in before.items():
            if handler is not None:  # None: it was not set by Python, which cannot set it again
                signal.signal(number, handler)


def off_stdout() -> contextlib.AbstractContextManager[object]:
    """In the block, whatever a part of a plugin prints goes to stderr."""
    return contextlib.redirect_stdout(sys.stderr)


@contextlib.contextmanager
def _time_limit(seconds: float | None) -> Iterator[None]:
    """Raises ImportTimeout in the block. No limit where ``seconds`` is None, outside of the main
    thread, and on Windows, where nothing can interrupt an import.
    """
    in_main_thread = threading.current_thread() is threading.main_thread()
    if seconds is None or not in_main_thread or not hasattr(signal, "SIGALRM"):
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
