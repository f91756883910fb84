"""How long a data set of MOSEI's size takes from disk to the moment before training, and how much
memory beyond ``import torch``.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from merbench.api import Config, Source
from merbench.data.intake.add import add

ROWS, STEPS, WIDTHS = 16_000, 50, {"text": 768, "audio": 74, "video": 35}

_LOAD = """
import json, sys, time
import torch
import merbench.engine.resolve, merbench.engine.rows.splits, merbench.runs.run
from merbench.engine.plan.plan import Request
from merbench.engine.resolve import resolve
from merbench.engine.plan.datasets import open_dataset
from merbench.engine.rows.splits import Fold
from merbench.host.catalog import Catalog
from merbench.host.discovery import discover
from pathlib import Path
catalog = Catalog(discover())
def held():
    return 4096 * int(Path("/proc/self/statm").read_text().split()[1])
before, start = held(), time.perf_counter()
corpus = open_dataset(catalog, "big", [Path(sys.argv[1])])
opened = time.perf_counter() - start
plan = resolve(Request("late-fusion-dnn"), catalog, corpus, None)
Fold(plan.streams, plan.task, plan.protocol.splits[0], plan.lexicon)
print(json.dumps([opened, time.perf_counter() - start, held() - before]))
"""


class _Big:
    """Zeros: what is measured reads none of them."""

    looks_for = "nothing"

    def __init__(self) -> None:
        self.config = Config()

    def recognise(self, source: Source) -> str:
        return ""

    def convert(self, source: Source, sink) -> None:
        videos = [f"v{row // 20:04d}" for row in range(ROWS)]
        modes = [
            "train" if row < 0.7 * ROWS else "valid" if row < 0.8 * ROWS else "test"
            for row in range(ROWS)
        ]
        clips = [str(row % 20) for row in range(ROWS)]
        labels = [f"{row % 7 - 3}" for row in range(ROWS)]
        sink.table(
            {
                "video_id": videos,
                "clip_id": clips,
                "text": ["so"] * ROWS,
                "label": labels,
                "mode": modes,
            }
        )
        sink.task("sentiment", column="label", kind="score", low=-3.0, high=3.0)
        ids = [f"{v}_{c}" for v, c in zip(videos, clips, strict=True)]
        for modality, width in WIDTHS.items():
            zeros = np.zeros((STEPS, width), np.float32)
            sink.features(f"{modality}.big", modality, width, ids, lambda row, zeros=zeros: zeros)
        sink.protocol("standard", column="mode", streams=[f"{m}.big" for m in WIDTHS])


def measure(repeats: int) -> Iterator[tuple[str, str, str]]:
    """Opening, checking the request, content hash and train statistics, in a new process."""
    with tempfile.TemporaryDirectory() as folder:
        add("big", Path(folder), Source(Path(__file__)), _Big(), "big", {}, lambda *told: None)
        seconds_and_bytes = []
        for _ in range(repeats):
            result = subprocess.run(
                [sys.executable, "-c", _LOAD, folder], capture_output=True, text=True, check=True
            )
            seconds_and_bytes.append(json.loads(result.stdout))
        opened, ready, kept = sorted(seconds_and_bytes)[len(seconds_and_bytes) // 2]
        size = 4 * ROWS * STEPS * sum(WIDTHS.values()) / 1e9
        yield f"opening a data set of MOSEI's size, {size:.1f} GB", f"{opened:.2f} s", ""
        yield "  until training starts", f"{ready:.2f} s", "under 1 s"
        yield "  its memory beyond importing torch", f"{kept / 2**20:.0f} MiB", "under 100"
