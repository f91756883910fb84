"""How often the audit's leak probe is wrong, on streams of known making; and how long MOSI's audit
takes against reading it.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from merbench.data.audit.audit import audit
from merbench.data.audit.leaks import probe_streams
from merbench.data.folder.read import read_folder
from tests.data.made_streams import Law, corpus_of, honest, leaked

HONEST = {
    "plain": Law(),
    "strong": Law(signal=3),
    "no signal": Law(signal=0),
    "gains of e^1": Law(gain=1.0),
    "gains of e^1, strong": Law(gain=1.0, signal=3),
    "noise of e^1, strong": Law(noise=1.0, signal=3, gain=0.8),
    "offsets of 3": Law(offset=3, signal=4, gain=0.8),
    "moods of 2": Law(mood=2.0),
}


def measure(repeats: int) -> Iterator[tuple[str, str, str]]:
    """Shares over ``10 * repeats`` streams of each kind."""
    n = 10 * repeats
    for name, law in HONEST.items():
        suspected = []
        for seed in range(n):
            x, y, video = honest(np.random.default_rng(seed), law)
            suspected.append(probe_streams(corpus_of(y, video, made=x), {"made": x})[0].suspected)
        yield (
            f"honest streams suspected: {name}",
            f"{sum(suspected)} of {n}",
            "a few percent at most",
        )
    for share in (0.3, 0.6, 0.8):
        for signal in (0.3, 1.0):
            suspected = []
            for seed in range(n):
                rng = np.random.default_rng(seed)
                x, y, video = honest(rng, Law(width=74, signal=signal))
                z, _ = leaked(rng, x, y, video, share, binary=bool(seed % 2))
                suspected.append(
                    probe_streams(corpus_of(y, video, made=z), {"made": z})[0].suspected
                )
            yield (
                f"streams fitted on {share:.0%} of the videos found: signal {signal:g}",
                f"{sum(suspected)} of {n}",
                "most",
            )
    if home := os.environ.get("MERBENCH_DATA"):
        start = time.perf_counter()
        corpus = read_folder(Path(home) / "mosi")
        read = time.perf_counter()
        audit(corpus)
        yield (
            "audit of mosi",
            f"{time.perf_counter() - read:.1f} s, {(time.perf_counter() - read) / (read - start):.0f} x reading it",
            "30 s",
        )
