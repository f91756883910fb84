"""Every fusion method of the field: a training step against a bare torch loop, and what a step on long
streams needs.
"""

from __future__ import annotations

import dataclasses
import multiprocessing
import resource
import statistics
import time
from collections.abc import Callable, Iterator

import numpy as np
import torch

from merbench.api import Batch, Corpus, Output, Progress, Protocol, Split, Stream, Task
from merbench.engine.build import Problem, build
from merbench.engine.model.views import Views
from merbench.engine.plan.plan import Plan, Request
from merbench.engine.resolve import resolve
from merbench.engine.rows.splits import Fold
from merbench.engine.training.optimise import make_optimiser
from merbench.engine.training.passes import Learning, Passes
from merbench.host.catalog import Catalog
from merbench.host.discovery import discover
from merbench.testing import tiny

TRAIN = 1284
"""Train rows of MOSI."""
MINILM = {"text": (15, 384), "audio": (1, 73)}
"""Mean steps and width of MOSI read by MiniLM, with one vector of COVAREP a row."""
UNALIGNED = {"text": (50, 768), "audio": (375, 5), "video": (500, 20)}
"""Those of MMSA's unaligned MOSI, every row at full length."""


def corpus(streams: dict[str, tuple[int, int]], rows: int, vary: bool) -> Corpus:
    """Made-up features, half of the rows for training; ``vary``: text of 4 steps up to twice the
    mean less 4.
    """
    draw = np.random.default_rng(0)
    n = rows // 2
    made_up = {}
    for modality, (steps, width) in streams.items():
        length = np.full(rows, steps)
        if vary and steps > 1:
            length = draw.integers(4, 2 * steps - 3, rows)
        values = draw.normal(size=(int(length.sum()), width)).astype(np.float32)
        start = np.cumsum(length) - length
        name = f"{modality}.made"
        made_up[name] = Stream(name, modality, "features", values, start, length)  # type: ignore[arg-type]
    ids = np.array([f"v{i}_0" for i in range(rows)])
    split = Split(np.arange(n), np.arange(n, n + n // 2), np.arange(n + n // 2, rows))
    space = tiny.SPACES["score"]
    return Corpus(
        "made",
        ids,
        ids,
        np.full(rows, "a"),
        {"task": Task(space, tiny.targets(space, rows).numpy(), None)},
        made_up,
        {"standard": Protocol((split,), tuple(made_up))},
        lexicon=tiny.lexicon(),
    )


def methods(catalog: Catalog) -> list[str]:
    """Recipes of the field's methods that fuse modalities."""
    recipes = [catalog.recipe(name) for name in catalog.names("recipe") if name != "text-only"]
    fusing = {r.name: catalog.component("fusion", r.fusion) for r in recipes if r.fusion}
    return sorted(n for n, part in fusing.items() if part.target.startswith("merbench_baselines."))


def prepared(
    catalog: Catalog, name: str, streams: dict[str, tuple[int, int]], batches: int
) -> tuple[Plan, Problem]:
    """A plan, its modules and rows: as many train rows as ``batches`` batches hold. Text is read as
    the states of a language model are.
    """
    cases = [case.settings for case in catalog.recipe(name).cases if "text.tower" in case.offers]
    settings = {k: v for case in cases for k, v in case.items() if k.startswith("fusion.")}
    request = Request(name, settings=settings)
    size = resolve(request, catalog, corpus(streams, 40, False), None).train.batch_size
    plan = resolve(request, catalog, corpus(streams, 2 * batches * size, streams is MINILM), None)
    fold = Fold(plan.streams, plan.task, plan.protocol.splits[0], plan.lexicon)
    return plan, build(plan, fold, 0, torch.device("cpu"))


def harness(plan: Plan, modules: Problem) -> None:
    stage = next(stage for stage in plan.stages if not stage.within)
    learning = Learning(modules.model, modules.objectives, modules.train, 0, None, modules.views)
    Passes(learning, plan.train, stage, 1).run(0)


def bare(plan: Plan, modules: Problem) -> None:
    """What one would write by hand: batches, loss, clipping, optimiser."""
    model, config, train = modules.model, plan.train, modules.train
    optimiser = make_optimiser(model, modules.objectives, config, ())
    assert optimiser is not None
    model.train()
    order = torch.randperm(len(train)).split(config.batch_size)
    for step, rows in enumerate(order):
        batch = train.batch(rows)
        out = model(batch)
        if modules.views:
            views = Views(modules.views, out.steps, lambda name: 0)
            batch = dataclasses.replace(batch, views=views)
        at = Progress(0, 1, step, len(order), "main")
        losses = [o(model, batch, out, at) for o in modules.objectives.values()]
        loss = torch.stack([term for terms in losses for term in terms.values()]).sum()
        (loss / config.accumulate).backward()
        keep_state(modules, batch, out, at)
        if (step + 1) % config.accumulate == 0 or step + 1 == len(order):
            if config.clip_value:
                torch.nn.utils.clip_grad_value_(model.parameters(), config.clip_value)
            if config.clip_norm:
                torch.nn.utils.clip_grad_norm_(model.parameters(), config.clip_norm)
            optimiser.step()
            optimiser.zero_grad()


@torch.no_grad()
def keep_state(modules: Problem, batch: Batch, out: Output, at: Progress) -> None:
    """Objectives that learn from what they have seen are a part of the method."""
    for objective in modules.objectives.values():
        if after_batch := getattr(objective, "after_batch", None):
            after_batch(modules.model, batch, out, at)


def cpu_seconds(run: Callable[[Plan, Problem], None], plan: Plan, modules: Problem) -> float:
    start = time.process_time()
    run(plan, modules)
    return time.process_time() - start


def step(catalog: Catalog, name: str, repeats: int) -> tuple[float, float]:
    """CPU seconds of the train rows of MOSI, and our pass over a bare one."""
    seconds, ratios = [], []
    for _ in range(repeats + 1):  # the first pair warms up
        plan, modules = prepared(catalog, name, MINILM, 4)
        ours = cpu_seconds(harness, plan, modules)
        plan, modules = prepared(catalog, name, MINILM, 4)
        ratios.append(ours / cpu_seconds(bare, plan, modules))
        seconds.append(ours * TRAIN / len(modules.train))
    return statistics.median(seconds[1:]), statistics.median(ratios[1:])


def long_step(catalog: Catalog, name: str) -> tuple[float, float]:
    """CPU seconds and GiB of one batch of MMSA's unaligned MOSI, in a process of its own."""

    def run() -> None:
        plan, modules = prepared(catalog, name, UNALIGNED, 1)
        seconds = cpu_seconds(bare, plan, modules)
        answer.put((seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20))

    forked = multiprocessing.get_context("fork")
    answer = forked.SimpleQueue()
    process = forked.Process(target=run)
    process.start()
    process.join()
    if process.exitcode:
        raise RuntimeError(f"{name}: a step on long streams ended with {process.exitcode}")
    return answer.get()


def measure(repeats: int) -> Iterator[tuple[str, str, str]]:
    """Three rows a method."""
    torch.set_num_threads(1)
    catalog = Catalog(discover())
    for name in methods(catalog):
        seconds, ratio = step(catalog, name, repeats)
        yield f"training step over a bare torch loop, {name}", f"{ratio:.2f}", "at most 1.30"
        yield (
            f"CPU seconds of MOSI's train rows, states of MiniLM given, {name}",
            f"{seconds:.1f}",
            "",
        )
        seconds, gib = long_step(catalog, name)
        yield (
            f"a batch of 375 audio and 500 video steps, {name}",
            f"{gib:.2f} GiB, {seconds:.1f} CPU s",
            "at most 3 GiB",
        )
