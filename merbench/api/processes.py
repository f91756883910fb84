"""Processes of this machine: each call in one of its own, so that a crash, a lock or a leak in one
does not affect the others.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
import warnings
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkProcess
from typing import Any, TypeVar

from merbench.api.errors import MerbenchError, RunError
from merbench.api.system_errors import sentence_of

R = TypeVar("R")
T = TypeVar("T")


def cores() -> int:
    """How many this process may compute on; one where it is itself one of several."""
    if multiprocessing.parent_process():
        return 1
    allowed = getattr(os, "sched_getaffinity", None)  # Linux alone has it
    return len(allowed(0)) if allowed else os.cpu_count() or 1


def each_apart(work: Callable[[T], R], tasks: Sequence[T], jobs: int) -> dict[T, R]:
    """Task -> what ``work`` returns, in processes as those of ``pool``; what it raises there is
    raised here. A single job, or task, is done in this process. RunError where a process dies.
    """
    if min(jobs, len(tasks)) < 2:
        return {task: work(task) for task in tasks}
    results: dict[T, R] = {}

    def in_child(task: T, send: Callable[[R | Exception], None]) -> None:
        try:
            send(work(task))
        except Exception as error:
            send(error)

    def in_parent(task: T, result: R | Exception) -> None:
        if isinstance(result, Exception):
            raise result
        results[task] = result

    for ended in pool(in_child, tasks, jobs, in_parent):
        if ended and ended[1]:
            raise RunError(f"{ended[0]} broke off, because {ended[1]}; try again")
    return results


def pool(
    work: Callable[..., object],
    tasks: Sequence[T],
    jobs: int,
    hear: Callable[[T, Any], object] | None = None,
) -> Iterator[tuple[T, str | None] | None]:
    """``work(task)`` for each task, ``jobs`` at once, each in a new process that is forked from
    this one.

    What this process has in memory (a data set, say) is shared and not copied. Yields ``(task,
    None)`` when the call has returned, ``(task, sentence)`` when its process died or raised, and
    None twice a second, so that the caller can draw. What the call returns is dropped: it leaves
    its result in a file. With ``hear`` it is called as ``work(task, tell)``, and each
    ``tell(message)`` there is a ``hear(task, message)`` here. This process must not have used a
    GPU. A caller that stops early, or raises in ``hear``, ends those that run, as does the death of
    this process, and Ctrl-C is this process's to answer.
    """
    fork = multiprocessing.get_context("fork")
    waiting, running = deque(tasks), dict[Connection, tuple[ForkProcess, T]]()
    try:
        while waiting or running:
            while waiting and len(running) < jobs:
                task = waiting.popleft()
                parent_end, child_end = fork.Pipe(duplex=False)
                call = partial(work, task, child_end.send) if hear else partial(work, task)
                process = fork.Process(target=_call, args=(call,), daemon=True)
                # The terminal signals every process of the program; only this one reacts.
                mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
                try:
                    with warnings.catch_warnings():
                        # Python 3.12 warns of threads beside a fork: those of numpy's library,
                        # which minds forks itself.
                        warnings.simplefilter("ignore", DeprecationWarning)
                        process.start()
                finally:
                    signal.pthread_sigmask(signal.SIG_SETMASK, mask)
                # The process has the only other one, so that its end is seen here.
                child_end.close()
                running[parent_end] = process, task
            ready = wait(list(running), timeout=0.5)
            if not ready:
                yield None
            for pipe in ready:
                assert isinstance(pipe, Connection)
                process, task = running[pipe]
                try:
                    message = pipe.recv()
                except (EOFError, OSError):  # OSError: killed amid a message
                    del running[pipe]
                    pipe.close()
                    process.join()
                    yield task, _how(process.exitcode)
                else:
                    assert hear
                    hear(task, message)
    finally:
        for process, _ in running.values():
            process.terminate()
        for process, _ in running.values():
            process.join()


def _call(call: Callable[[], object]) -> None:
    threading.Thread(target=_follow, daemon=True).start()
    try:
        # OpenMP keeps its threads by the thread that computes, and those of the one that was forked
        # are not here: it would wait for them.
        with ThreadPoolExecutor(1) as fresh:
            fresh.submit(call).result()
    except Exception as error:
        sentence = str(error) if isinstance(error, MerbenchError) else sentence_of(error)
        if sentence is None:
            raise
        print(f"error: {sentence}", file=sys.stderr)
        sys.exit(1)


def _follow() -> None:
    """Die when the process dies that forked this one: nobody would hear how the call ends."""
    parent = multiprocessing.parent_process()
    assert parent
    parent.join()
    os._exit(1)


def _how(code: int | None) -> str | None:
    if not code:
        return None
    if code == -signal.SIGKILL:
        return "its process was killed (SIGKILL), as the system does when memory runs out"
    if code < 0:
        return f"its process was ended by {signal.Signals(-code).name}"
    return f"its process ended with exit code {code}"
