"""How threads of torch wait for one another where other work has the cores too."""

from __future__ import annotations

import os
import re
from collections.abc import MutableMapping
from contextlib import suppress
from pathlib import Path

STAT = Path("/proc/stat")
MOST_THREADS = 4
"""That one process takes by default."""
OPENMP = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "OMP_NUM_THREADS")


def sleep_while_waiting(
    environ: MutableMapping[str, str], cores: int | None = None, stat: Path = STAT
) -> None:
    """To be called before torch is imported. Where more runs now than leaves a core to each of our
    threads, one that waits for another sleeps, in place of spinning on the core that the other
    needs. Nothing where the user has said how OpenMP is to go on, or the system does not say what
    runs.
    """
    if any(name in environ for name in OPENMP):
        return
    with suppress(OSError):  # a system without it
        running = re.search(r"^procs_running (\d+)$", stat.read_text(), re.MULTILINE)
        others = int(running[1]) - 1 if running else 0
        cores = cores or len(os.sched_getaffinity(0))
        if others + min(cores, MOST_THREADS) > cores:
            environ["OMP_WAIT_POLICY"] = "PASSIVE"
