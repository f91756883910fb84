"""Peak memory of a whole run on a data set of MOSI's size."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator


def measure(repeats: int) -> Iterator[tuple[str, str, str]]:
    """One row a model: the largest resident set of ``merbench run`` over two epochs, as its record
    says.
    """
    for model in ("late-fusion-dnn", "merclip", "mult"):
        with tempfile.TemporaryDirectory() as store:
            words = [
                "run",
                "--model",
                model,
                "--dataset",
                "sample",
                "--seeds",
                "1",
                "--epochs",
                "2",
                "--store",
                store,
                "--json",
            ]
            done = subprocess.run(
                [sys.executable, "-m", "merbench", *words],
                capture_output=True,
                text=True,
                check=True,
            )
        (record,) = json.loads(done.stdout)["runs"]
        yield (
            f"peak memory of a run of MOSI's size, {model}",
            f"{record['cost']['peak_bytes'] / 2**30:.2f} GiB",
            "under 1.5",
        )
