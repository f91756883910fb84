"""Boards of thousands of runs: the table from a store, and the page."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from safetensors.numpy import save_file

from merbench.report.scores.board_scores import score
from merbench.report.scores.cache import Cache
from merbench.report.scores.entries import collect
from merbench.report.scores.source import StoreSource
from merbench.report.site.board_page.page import board_page
from merbench.report.tables.sheet import sheet
from merbench.results.store import Store
from tests.report.made import record, spec

RUNS = 5000
SEEDS = 10


def measure(repeats: int) -> Iterator[tuple[str, str, str]]:
    """Seconds for RUNS runs of ten seeds a row, with MOSI's 686 test rows: scored for the first
    time, from the cache, and as a page.
    """
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder))
        store.runs.mkdir(parents=True)
        for row in range(RUNS // SEEDS):
            for seed in range(SEEDS):
                _put(store, row, seed)
        cache, spent = Cache(store.root / "cache"), []
        for _ in range(2):
            start = time.perf_counter()
            source = StoreSource(store)
            (board,) = collect(source.records(), ())
            scores = score(board, source, cache)
            sheet(board, scores)
            spent.append(time.perf_counter() - start)
        yield f"table of {RUNS} runs, for the first time", f"{spent[0]:.1f} s", ""
        yield f"table of {RUNS} runs, scores kept by content", f"{spent[1]:.1f} s", "under 5 s"
        start = time.perf_counter()
        page = board_page(board, scores, {})
        yield (
            f"page of {RUNS} runs",
            f"{time.perf_counter() - start:.1f} s, {len(page) / 1e6:.1f} MB",
            "under 30 s",
        )


def _put(store: Store, row: int, seed: int) -> None:
    """Without the fsync of ``Store.put``, which is not what is measured."""
    one, made = record(seed, 0.5 + row / 1000, spec(f"model{row:03d}"), rows=686)
    metadata = {"ids": json.dumps(list(made.ids)), "videos": json.dumps(list(made.videos))}
    save_file(
        {"target": made.target, "prediction": made.prediction},
        store.runs / f"{one.run_id}.safetensors",
        metadata=metadata,
    )
    (store.runs / f"{one.run_id}.json").write_text(one.model_dump_json())
