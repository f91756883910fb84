"""What a whole Python process costs."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from typing import NamedTuple

_MEASURED = """
import json, resource, subprocess, sys
subprocess.run([sys.executable, *sys.argv[1:]], check=True, stdout=subprocess.DEVNULL,
               stderr=subprocess.DEVNULL)
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(json.dumps([used.ru_utime + used.ru_stime, used.ru_maxrss]))
"""


class Spent(NamedTuple):
    """``seconds`` by the clock, ``cpu`` seconds, and the largest resident set in bytes."""

    seconds: float
    cpu: float
    peak: float

    def __str__(self) -> str:
        return f"{self.seconds:.1f} s, {self.cpu:.1f} s of CPU, {self.peak / 2**20:.0f} MiB"


def spent(*words: str) -> Spent:
    """Of ``python WORDS``. CalledProcessError where it fails."""
    start = time.perf_counter()
    result = subprocess.run(
        [sys.executable, "-c", _MEASURED, *words], capture_output=True, text=True, check=True
    )
    cpu, peak = json.loads(result.stdout)
    unit = 1 if sys.platform == "darwin" else 1024
    return Spent(time.perf_counter() - start, cpu, peak * unit)
