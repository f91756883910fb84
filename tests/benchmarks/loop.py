"""The training loop against a bare torch loop over the same model, batches and optimiser."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Iterator

import torch

from merbench.engine.build import build
from merbench.engine.plan.plan import Request
from merbench.engine.resolve import resolve
from merbench.engine.rows.splits import Fold
from merbench.engine.training.optimise import make_optimiser, make_schedule
from merbench.engine.training.train import fit
from merbench.host.catalog import Catalog
from merbench.host.discovery import discover

EPOCHS = 3


def measure(repeats: int) -> Iterator[tuple[str, str, str]]:
    """One row a model: seconds of ``fit`` over seconds of the bare loop, each pair run one after
    the other.
    """
    torch.set_num_threads(1)
    catalog = Catalog(discover())
    component = catalog.component("dataset", "sample")
    factory = catalog.load(component)
    corpus = factory(factory.Config()).load()
    for name in ("late-fusion-dnn", "tfn", "merclip"):
        plan = resolve(
            Request(name, settings={"train.epochs": EPOCHS, "train.patience": EPOCHS}),
            catalog,
            corpus,
            None,
        )
        fold = Fold(plan.streams, plan.task, plan.protocol.splits[0], plan.lexicon)
        ratios, seconds = [], []
        for repeat in range(repeats + 1):
            ours = build(plan, fold, 0, torch.device("cpu"))
            start = time.perf_counter()
            fit(
                ours.model,
                ours.objectives,
                ours.train,
                ours.valid,
                space=fold.space,
                config=plan.train,
                stages=plan.stages,
            )
            spent = time.perf_counter() - start
            bare = build(plan, fold, 0, torch.device("cpu"))
            start = time.perf_counter()
            _bare(plan, bare)
            if repeat:  # the first pair warms up
                ratios.append(spent / (time.perf_counter() - start))
                seconds.append(spent / EPOCHS)
        yield (
            f"training loop over a bare torch loop, {name}",
            f"{statistics.median(ratios):.3f}",
            "at most 1.10",
        )
        yield (
            f"seconds an epoch (train + valid), {name}, 1 thread",
            f"{statistics.median(seconds):.2f}",
            "",
        )


def _bare(plan, problem) -> None:
    """What one would write by hand: the same batches, loss, clipping, optimiser and schedule, and
    validation once an epoch.
    """
    model, config = problem.model, plan.train
    (objective,) = problem.objectives.values()
    steps = math.ceil(len(problem.train) / config.batch_size)
    optimiser = make_optimiser(model, problem.objectives, config, ())
    schedule = make_schedule(optimiser, config, steps * EPOCHS)
    for epoch in range(EPOCHS):
        model.train()
        order = torch.randperm(len(problem.train), generator=torch.Generator().manual_seed(epoch))
        for rows in order.split(config.batch_size):
            batch = problem.train.batch(rows)
            out = model(batch)
            loss = sum(objective(model, batch, out, None).values())
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), config.clip_norm)
            optimiser.step()
            optimiser.zero_grad()
            if schedule:
                schedule.step()
        model.eval()
        with torch.no_grad():
            for batch in problem.valid.batches():
                model(batch)
