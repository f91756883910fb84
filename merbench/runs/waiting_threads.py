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
SPINS = "1000"
"""Of GNU's OpenMP, which has 300,000 where nothing is said."""
OPENMP = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "OMP_NUM_THREADS")


def spin_briefly(
    environ: MutableMapping[str, str], cores: int | None = None, stat: Path = STAT
) -> None:
    """To be called before torch is imported. Where more runs now than leaves a core to each of our
    threads, one that waits for another soon sleeps, in place of spinning on the core that the other
    needs. Nothing where the user has said how OpenMP is to go on, or the system does not say what
    runs.

    At once would be quicker there, and takes twice the time where the other work soon ends.
    """
    if any(name in environ for name in OPENMP):
        return
    with suppress(OSError):  # a system without it
        running = re.search(r"^procs_running (\d+)$", stat.read_text(), re.MULTILINE)
        others = int(running[1]) - 1 if running else 0
        cores = cores or len(os.sched_getaffinity(0))
        if others + min(cores, MOST_THREADS) > cores:
            environ["GOMP_SPINCOUNT"] = SPINS
