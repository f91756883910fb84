"""How long the program takes to answer, against starting Python."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Iterator


def measure(repeats: int) -> Iterator[tuple[str, str, str]]:
    """Seconds of a whole process, and its ratio to ``python -c 'import torch'``."""
    torch = _median(["-c", "import torch"], repeats)
    yield "python -c 'import torch'", f"{torch:.2f} s", ""
    for words in (["--help"], ["list"]):
        spent = _median(["-m", "merbench", *words], repeats)
        yield (
            f"merbench {' '.join(words)}",
            f"{spent:.2f} s, {spent / torch:.2f} of importing torch",
            "under 1",
        )


def _median(words: list[str], repeats: int) -> float:
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        subprocess.run([sys.executable, *words], capture_output=True, check=True)
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds)
