"""How many threads numpy's products may use."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from threadpoolctl import threadpool_limits


@contextmanager
def one_thread() -> Iterator[None]:
    """The products of scores are small: their threads wait for each other longer than they compute,
    five times as long where each process of several has some.
    """
    with threadpool_limits(limits=1, user_api="blas"):
        yield
