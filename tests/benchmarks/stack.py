"""Ten seeds against one: processes side by side, and stacked parameters, each over a single run. On
features of MOSI's size.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch

from merbench.api import Corpus, Protocol, Split, Stream, Task
from merbench.engine.build import build
from merbench.engine.learn import learn, learn_together
from merbench.engine.plan.plan import Plan, Request
from merbench.engine.resolve import resolve
from merbench.engine.rows.splits import Fold
from merbench.engine.training.stacked.modules import CannotStackError
from merbench.host.catalog import Catalog
from merbench.host.discovery import discover
from merbench.results.store.store import Store
from merbench.runs.run import Machine, run
from merbench.testing import tiny

SEEDS = tuple(range(10))
CPU = torch.device("cpu")


def corpus(rows: int = 161) -> Corpus:
    """An eighth of MOSI's train rows: words of its length (12 on average, some far longer), one
    step of audio and of video, its widths.
    """
    draw = np.random.default_rng(0)
    length = np.minimum(draw.geometric(1 / 12, rows), 80)
    start = np.cumsum(length) - length
    words = draw.integers(0, len(tiny.VOCAB), int(length.sum())).astype(np.int32)
    streams = {
        "text.words": Stream("text.words", "text", "words", words, start, length, vocab=tiny.VOCAB)
    }
    for modality, width in (("audio", 74), ("video", 47)):
        values = draw.normal(size=(rows, width)).astype(np.float32)
        one_step = np.ones(rows, dtype=np.int64)
        name = f"{modality}.features"
        streams[name] = Stream(name, modality, "features", values, np.arange(rows), one_step)  # type: ignore[arg-type]
    ids = np.array([f"v{i}_0" for i in range(rows)])
    split = Split(np.arange(rows), np.arange(60), np.arange(60, 120))
    target = tiny.targets(tiny.SPACES["score"], rows).numpy()
    return Corpus(
        "large", ids, ids, ids, {"sentiment": Task(tiny.SPACES["score"], target)}, streams,
        {"standard": Protocol((split,), tuple(streams))}, lexicon=tiny.lexicon(300),
    )  # fmt: skip


def measure(repeats: int) -> Iterator[tuple[str, str, str]]:
    """Seconds of ten seeds over those of one, a row a model and way: building, one epoch and
    scoring. One thread a process.
    """
    torch.set_num_threads(1)
    catalog, data = Catalog(discover()), corpus()
    for name in ("mult", "tfn", "lmf", "merclip"):
        plan = resolve(Request(name, settings={"train.epochs": 1}), catalog, data, None)
        alone = min(_runs(plan, data, [0]) for _ in range(2))  # the first warms up
        yield (
            f"ten seeds over one, in two processes, {name}",
            f"{_runs(plan, data, SEEDS, jobs=2) / alone:.1f}",
            "at most 5 on two free cores",
        )
        yield f"ten seeds over one, stacked on one GPU, {name}", _stacked(plan), "at most 2.5"


def _runs(plan: Plan, data: Corpus, seeds: Sequence[int], jobs: int = 1) -> float:
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        run(plan, data, seeds, Store(Path(folder)), Machine(CPU, 1), jobs=jobs, keep_weights=False)
        return time.perf_counter() - start


def _stacked(plan: Plan) -> str:
    if not torch.cuda.is_available():
        return "skipped: no GPU"
    gpu = torch.device("cuda")
    fold = Fold(plan.streams, plan.task, plan.protocol.splits[0], plan.lexicon)
    learn(plan, build(plan, fold, 0, gpu), fold, 0)  # warms up
    start = time.perf_counter()
    learn(plan, build(plan, fold, 0, gpu), fold, 0)
    alone = time.perf_counter() - start
    problems = [build(plan, fold, seed, gpu) for seed in SEEDS]
    start = time.perf_counter()
    try:
        learn_together(plan, problems, fold, SEEDS, lambda seed, entry: None)
    except CannotStackError as error:
        return f"one by one here: {error}"
    return f"{(time.perf_counter() - start) / alone:.1f}"
