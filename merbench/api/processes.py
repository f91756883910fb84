"""Processes of this machine: each call in one of its own, so that what one call breaks, holds or leaks, no other feels."""

from __future__ import annotations

import multiprocessing
import signal
import sys
import warnings
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.connection import wait
from multiprocessing.context import ForkProcess
from typing import TypeVar

from merbench.api.errors import MerbenchError

T = TypeVar("T")


def pool(work: Callable[[T], object], tasks: Sequence[T], jobs: int) -> Iterator[tuple[T, str | None] | None]:
    """``work(task)`` for each task, ``jobs`` at once, each in a new process that is forked from this one.

    What this process has in memory (a data set, say) is shared and not copied. Yields ``(task, None)`` when the call has returned,
    ``(task, sentence)`` when its process died or raised, and None twice a second, so that the caller can draw. What the call
    returns is dropped: it leaves its result in a file. This process must not have used a GPU, or computed with torch on several threads.
    A caller that stops early ends those that run.
    """
    fork = multiprocessing.get_context("fork")
    waiting, running = deque(tasks), dict[int, tuple[ForkProcess, T]]()
    try:
        while waiting or running:
            while waiting and len(running) < jobs:
                task = waiting.popleft()
                process = fork.Process(target=_call, args=(work, task))
                with warnings.catch_warnings():
                    # Python 3.12 warns of threads beside a fork: those of numpy's library, which minds forks itself.
                    warnings.simplefilter("ignore", DeprecationWarning)
                    process.start()
                running[process.sentinel] = process, task
            ended = wait(list(running), timeout=0.5)
            if not ended:
                yield None
            for sentinel in ended:
                process, task = running.pop(sentinel)  # type: ignore[arg-type]
                process.join()
                yield task, _how(process.exitcode)
    finally:
        for process, _ in running.values():
            process.terminate()
        for process, _ in running.values():
            process.join()


def _call(work: Callable[[T], object], task: T) -> None:
    try:
        work(task)
    except KeyboardInterrupt:
        # The terminal tells every process of the program; the first one answers.
        sys.exit(128 + signal.SIGINT)
    except MerbenchError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(1)


def _how(code: int | None) -> str | None:
    if not code:
        return None
    if code == -signal.SIGKILL:
        return "its process was killed (SIGKILL), as the system does when memory runs out"
    if code < 0:
        return f"its process was ended by {signal.Signals(-code).name}"
    return f"its process ended with exit code {code}"
