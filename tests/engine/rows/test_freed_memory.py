"""Memory that an array leaves is the next one's."""

from __future__ import annotations

import ctypes
import subprocess
import sys

import pytest

FAULTS = """
import resource
import numpy as np
from merbench.engine.rows.freed_memory import keep_freed_memory

def faults_of_an_array():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    np.ones(2**24, np.float32)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

keep_freed_memory()
print(faults_of_an_array(), faults_of_an_array())
"""


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "mallopt"), reason="a C library without mallopt")
def test_a_large_array_takes_the_place_of_one_that_is_gone():
    result = subprocess.run(
        [sys.executable, "-c", FAULTS], capture_output=True, text=True, check=True
    )
    first, second = map(int, result.stdout.split())
    # Huge pages are fewer.
    assert second < first / 2
