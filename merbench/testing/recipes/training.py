"""Training: gradients reach every parameter, a seed reproduces, 8 samples are overfitted, ablations
differ.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
import torch

from merbench.api import LabelSpace, Progress, Recipe, Split, Stage, TrainConfig
from merbench.api.material.types import SpaceKind
from merbench.engine.learn import learn
from merbench.engine.model.contract import predictions
from merbench.engine.model.weight_average import MovingAverage
from merbench.engine.plan.stages import settings_of
from merbench.engine.training.evaluate import predict, weights_digest
from merbench.engine.training.passes import Learning, Passes
from merbench.engine.training.train import fit
from merbench.host.catalog import Catalog
from merbench.testing.parts.gradient import assert_reached
from merbench.testing.recipes.trained import LIVELY, LastTrained, built, lively, resolved, trained


def same_seed(recipe: Recipe, last: LastTrained) -> None:
    first = last.of(recipe)
    again, _ = trained(first.plan)
    assert first.digest == weights_digest(again.model), (
        "two trainings with the same seed gave different weights"
    )


def gradient(catalog: Catalog, recipe: Recipe) -> None:
    plan = resolved(catalog, recipe)
    problem, _ = built(plan)
    # Without dropout, so that no unit is dead by chance; batches of unequal size, so that the signs
    # of an L1 loss cannot cancel to 0.
    problem.model.eval()
    for stage in plan.stages:
        settings = settings_of(stage, plan.train).model_copy(update={"batch_size": 5})
        learning = Learning(
            problem.model, problem.objectives, problem.train, 0, None, problem.views
        )
        learning.average = MovingAverage(problem.model, settings.ema) if settings.ema else None
        passes = Passes(learning, settings, stage, 1)
        if passes.optimiser is None:
            continue
        with learning.teaching():
            for step, rows in enumerate(torch.arange(len(problem.train)).split(5)):
                at = Progress(0, 1, step, passes.batches, stage.name)
                _, _, losses = passes.losses(rows, at)
                torch.stack(list(losses.values())).sum().backward()
    of_objectives = (
        (f"{objective}.{name}", p)
        for objective, module in problem.objectives.items()
        for name, p in module.named_parameters()
    )
    assert_reached([*problem.model.named_parameters(), *of_objectives])


def hidden_targets(catalog: Catalog, recipe: Recipe, kind: SpaceKind) -> None:
    """Whatever stands in the target where it is not known, what is learned is the same."""
    plan = resolved(catalog, recipe, kind, labels="keep:0.5")
    digests = set()
    for content in (0, 1):
        problem, fold = built(plan)
        train = problem.train
        assert train.known is not None
        train.target = train.target.masked_fill(~train.known, content)
        learn(plan, problem, fold, 0)
        digests.add(weights_digest(problem.model))
    assert len(digests) == 1, (
        "it learns from targets that are not known: batch.known says which are"
    )


def overfits(catalog: Catalog, recipe: Recipe) -> None:
    plan = resolved(catalog, recipe)
    eight = np.arange(8)
    problem, fold = built(plan, split=Split(eight, eight, eight))
    config = TrainConfig(
        epochs=25,
        patience=25,
        batch_size=8,
        lr=max(plan.train.lr, LIVELY),
        weight_decay=0,
        schedule="constant",
        ema=plan.train.ema,
    )
    stages = [dataclasses.replace(stage, epochs=None, settings={}) for stage in plan.stages] or [
        Stage()
    ]
    batch = problem.train.batch(torch.arange(8))
    y = _as_predictions(batch.target, fold.space)
    constant = float((y - y.mean(0)).abs().mean())
    for round_ in range(8):  # most methods need one or two
        fit(
            problem.model,
            problem.objectives,
            problem.train,
            problem.train,
            views=problem.views,
            space=fold.space,
            config=config,
            stages=stages,
            seed=round_,
        )
        problem.model.eval()
        with torch.no_grad():
            p = predictions(problem.model, problem.model(batch), fold.space)
            reached = float((p.view_as(y) - y).abs().mean())
        if reached < 0.35 * constant:
            return
    raise AssertionError(
        f"after 200 epochs on 8 samples the mean error is {reached:.2f}, "
        f"a constant reaches {constant:.2f}"
    )


def _as_predictions(target: torch.Tensor, space: LabelSpace) -> torch.Tensor:
    """[B, C]: what right predictions would be."""
    if space.kind == "class":
        return torch.nn.functional.one_hot(target, len(space.words)).float()
    return target.view(len(target), -1)


def differs(
    catalog: Catalog, recipe: Recipe, ablation: str, base: Callable[[], np.ndarray]
) -> None:
    ablated, fold = trained(lively(catalog, recipe, [ablation]))
    a, b = base(), predict(ablated.model, ablated.valid, fold.space)
    # What changes nothing predicts the same bits; a small term of the loss changes few of them.
    assert not np.allclose(a, b, rtol=0, atol=1e-7), (
        "the ablation predicts exactly what the full method does: it changes nothing"
    )
