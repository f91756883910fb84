"""Memory that an array leaves is the next one's, until the block ends."""

from __future__ import annotations

import ctypes
import subprocess
import sys

import pytest

SCRIPT = """
import resource
from pathlib import Path
import numpy as np
from merbench.engine.rows.freed_memory import freed_memory_kept

def faults_of_an_array():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    np.ones(2**24, np.float32)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

def resident_pages():
    return int(Path("/proc/self/statm").read_text().split()[1])

before = resident_pages()
with freed_memory_kept():
    print(faults_of_an_array(), faults_of_an_array())
    print(resident_pages() - before)
print(resident_pages() - before)
"""


@pytest.mark.skipif(
    not hasattr(ctypes.CDLL(None), "malloc_trim"), reason="a C library without malloc_trim"
)
def test_a_large_array_takes_the_place_of_one_that_is_gone():
    result = subprocess.run(
        [sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True
    )
    first, second, kept, left = map(int, result.stdout.split())
    # Huge pages are fewer.
    assert second < first / 2
    assert left < kept / 4, "64 MiB were not given back at the end"
