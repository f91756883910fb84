"""Peak memory: of a whole run on a data set of MOSI's size, and of adding one of MOSEI's."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.benchmarks.mosi_size import make
from tests.benchmarks.process import spent

ADDED = {"train": 4000, "valid": 500, "test": 1000}
"""Rows whose pickle, padded to 50 steps as MMSA's are, has some 900 MB."""


def measure(repeats: int) -> Iterator[tuple[str, str, str]]:
    """Each once."""
    yield from _runs()
    yield _added()


def _runs() -> Iterator[tuple[str, str, str]]:
    """One row a model: the largest resident set of ``merbench run`` over two epochs, as its record
    says.
    """
    for model in ("late-fusion-dnn", "merclip", "mult"):
        with tempfile.TemporaryDirectory() as store:
            line = f"run --model {model} --dataset sample --seeds 1 --epochs 2 --json --store"
            result = subprocess.run(
                [sys.executable, "-m", "merbench", *line.split(), store],
                capture_output=True,
                text=True,
                check=True,
            )
        (record,) = json.loads(result.stdout)["runs"]
        yield (
            f"peak memory of a run of MOSI's size, {model}",
            f"{record['cost']['peak_bytes'] / 2**30:.2f} GiB",
            "under 1.5",
        )


def _added() -> tuple[str, str, str]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "aligned_50.pkl")
        make(path, True, ADDED)
        size = path.stat().st_size
        words = ("data", "add", str(path), "--name", "big", "--data", f"{folder}/home")
        cost = spent("-m", "merbench", *words)
    what = f"peak memory of data add, over its file of {size / 1e6:.0f} MB"
    return what, f"{cost.peak / size:.2f}", "0.50"
