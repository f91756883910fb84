"""How long a data set takes from disk, or from nothing, to rows."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Iterator
from pathlib import Path

from merbench.engine.plan.datasets import open_dataset
from merbench.host.catalog import Catalog
from merbench.host.discovery import discover


def measure(repeats: int) -> Iterator[tuple[str, str, str]]:
    """Seconds to open each data set that is here (MERBENCH_DATA), and to make the generated one."""
    catalog = Catalog(discover())
    homes = [Path(home)] if (home := os.environ.get("MERBENCH_DATA")) else []
    for name in ("sample", *(n for n in ("mosi", "mosei") if homes)):
        seconds = []
        for _ in range(repeats):
            start = time.perf_counter()
            open_dataset(catalog, name, homes)
            seconds.append(time.perf_counter() - start)
        yield f"opening {name}", f"{statistics.median(seconds):.2f} s", ""
