"""Arrays that processes of this machine fill together."""

from __future__ import annotations

import math
from mmap import mmap

import numpy as np


def shared_zeros(*shape: int) -> np.ndarray:
    """Zeros into which processes write that are forked from this one."""
    return np.ndarray(shape, buffer=mmap(-1, max(1, 8 * math.prod(shape))))
