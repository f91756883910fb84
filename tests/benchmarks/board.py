"""Stores and boards of thousands of runs: the commands that read them, as whole processes."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from merbench.results.store.store import Store
from tests.benchmarks.big_store import SEEDS, fill
from tests.benchmarks.process import spent

LARGE, MIDDLE = 20_000, 5_000
FLOOR = "majority"
"""Whose first run takes no time."""


def measure(repeats: int) -> Iterator[tuple[str, str, str]]:
    """Each once: a cold command is cold one time only."""
    with tempfile.TemporaryDirectory() as folder:
        store = Path(folder, "large")
        fill(Store(store), LARGE)
        for state, target in (("cold", "20 s, 400 MiB"), ("warm", "2 s, 400 MiB")):
            cost = spent("-m", "merbench", "leaderboard", "--store", str(store))
            yield f"leaderboard of {LARGE} runs, {state}", str(cost), target
        words = ("run", "--model", FLOOR, "--dataset", "sample", "--store", str(store))
        spent("-m", "merbench", *words)
        cost = spent("-m", "merbench", *words)
        yield f"a run that is there already, among {LARGE}", str(cost), ".2 s over starting"
    with tempfile.TemporaryDirectory() as folder:
        store, out = Path(folder, "middle"), Path(folder, "boards")
        fill(Store(store), MIDDLE)
        cost = spent("-m", "merbench", "compare", "--all", "--store", str(store))
        yield f"compare --all of {MIDDLE // SEEDS} models", str(cost), "30 s"
        # Unchecked: nobody trained these runs, and verify would say so.
        words = ("build", "--store", str(store), "--out", str(out), "--unchecked")
        cost = spent("-m", "merbench", "leaderboard", *words)
        yield f"leaderboard build of {MIDDLE} runs", str(cost), "10 s"
        (page,) = out.glob("*/index.html")
        yield f"page of {MIDDLE} runs", f"{page.stat().st_size / 1e6:.1f} MB", "3 MB"
    if os.environ.get("MERBENCH_DATA"):
        cost = spent("-m", "merbench", "leaderboard", "verify", "leaderboards")
        yield "verify of the committed boards", str(cost), "8 s"
