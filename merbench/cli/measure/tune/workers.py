"""A search by several processes: each gives the same command for itself, and this one looks on."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from tempfile import TemporaryFile
from typing import IO, TYPE_CHECKING

from merbench.api.errors import RequestError, RunError

if TYPE_CHECKING:
    from merbench.terminal.tune_progress import TuneProgress
    from merbench.tuning.shared_search import SearchResult, SharedSearch


def by_workers(joined: SharedSearch, jobs: int, threads: int, watch: TuneProgress) -> SearchResult:
    """The same command in ``jobs`` processes, which end by themselves with the search."""
    from merbench.tuning.search import report_progress

    options = ["--jobs", "1", "--threads", str(threads), "--worker"]
    words = [sys.executable, "-m", "merbench", *sys.argv[1:], *options]
    with TemporaryFile("w+") as error_output:
        with _started(words, jobs, error_output) as workers:
            while any(worker.poll() is None for worker in workers):
                joined.require_storage()
                report_progress(joined, watch)
                time.sleep(0.5)
        if report_progress(joined, watch):
            return joined.result()
        error_output.seek(0)
        last = (error_output.read().strip().splitlines() or ["nothing"])[-1].removeprefix("error: ")
    if any(worker.returncode == 2 for worker in workers):
        raise RequestError(last)
    raise RunError(
        f"all {jobs} worker processes ended before the search was over, "
        f"and the same command continues; one said last: {last}"
    )


@contextmanager
def _started(
    words: Sequence[str], jobs: int, error_output: IO[str]
) -> Iterator[list[subprocess.Popen[bytes]]]:
    """So many processes, which are ended with the block."""
    workers: list[subprocess.Popen[bytes]] = []
    try:
        for _ in range(jobs):
            workers.append(
                subprocess.Popen(
                    words, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=error_output
                )
            )
        yield workers
    finally:
        for worker in workers:
            worker.terminate()
            worker.wait()


def end_with_parent() -> None:
    """The pipe from the process that started this worker closes when that one ends, also by a kill;
    a trial that is cut off then is tried again by whoever continues the search.
    """

    def wait() -> None:
        # Not ``sys.stdin.read``: at its end Python aborts where a thread has the lock of stdin.
        while os.read(sys.stdin.fileno(), 1024):
            pass
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()
