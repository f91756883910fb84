"""Memory that an array leaves is the next one's, until the block ends."""

from __future__ import annotations

import ctypes
import subprocess
import sys

import pytest

SCRIPT = """
import resource, sys
from pathlib import Path
import numpy as np
from merbench.engine.freed_memory import ONE_PASS, TRAINING, freed_memory_kept

options, count, size = eval(sys.argv[1])

def faults_of_arrays():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    arrays = [np.ones(size, np.float32) for _ in range(count)]
    del arrays
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

def resident_pages():
    return int(Path("/proc/self/statm").read_text().split()[1])

before = resident_pages()
with freed_memory_kept(options):
    print(faults_of_arrays(), faults_of_arrays())
    print(resident_pages() - before)
print(resident_pages() - before)
"""


@pytest.mark.skipif(
    not hasattr(ctypes.CDLL(None), "malloc_trim"), reason="a C library without malloc_trim"
)
@pytest.mark.parametrize(
    "arrays",
    ["(ONE_PASS, 1, 2**24)", "(TRAINING, 8, 2**22)"],
    ids=["encoding: one of 64 MiB", "training: eight of 16 MiB"],
)
def test_large_arrays_take_the_place_of_those_that_are_gone(arrays):
    result = subprocess.run(
        [sys.executable, "-c", SCRIPT, arrays], capture_output=True, text=True, check=True
    )
    first, second, kept, left = map(int, result.stdout.split())
    # Huge pages are fewer.
    assert second < first / 2
    assert left < kept / 4, "memory was not given back at the end"
