"""A problem -> a trained one: in closed form where the recipe says so, else by the training loop,
alone or with other seeds.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import Any

from merbench.api import RunError
from merbench.engine.build import Problem
from merbench.engine.freed_memory import ONE_PASS, TRAINING, freed_memory_kept
from merbench.engine.plan.plan import Plan
from merbench.engine.rows.splits import Fold
from merbench.engine.training.checkpoint import Checkpoint
from merbench.engine.training.stacked.loop import fit_stacked
from merbench.engine.training.stacked.modules import CannotStackError, Together
from merbench.engine.training.train import Fitted, Watch, fit


def learn(
    plan: Plan,
    problem: Problem,
    fold: Fold,
    seed: int,
    watch: Watch = lambda entry: None,
    checkpoint: Checkpoint | None = None,
) -> Fitted:
    """Trains ``problem.model`` in place, on its train and valid rows; continues from ``checkpoint``
    where it holds a state.
    """
    on_cpu = problem.train.device.type == "cpu"
    kept = ONE_PASS if plan.recipe.closed_form else TRAINING
    with freed_memory_kept(kept) if on_cpu else nullcontext():
        if plan.recipe.closed_form:
            problem.model.eval()  # a closed form has no use for dropout
            problem.model.fit(problem.train, problem.valid)  # type: ignore[operator]
            return Fitted()
        return fit(
            problem.model,
            problem.objectives,
            problem.train,
            problem.valid,
            views=problem.views,
            seed=seed,
            watch=watch,
            checkpoint=checkpoint,
            **_how(plan, fold),
        )


def learn_together(
    plan: Plan,
    problems: Sequence[Problem],
    fold: Fold,
    seeds: Sequence[int],
    watch: Callable[[int, dict[str, Any]], None],
    checkpoint: Checkpoint | None = None,
) -> list[Fitted | RunError]:
    """``learn`` for several seeds at once; in place of what a seed learned, the error it ended
    with.

    CannotStackError, in a sentence, where they must learn one by one.
    """
    if plan.recipe.closed_form:
        raise CannotStackError(f"model {plan.recipe.name} is fitted in closed form")
    if plan.spec.labels:
        raise CannotStackError("a run with hidden labels is for seeds that train alone")
    if plan.spec.missing:
        raise CannotStackError("a run with missing modalities is for seeds that train alone")
    if plan.spec.views:
        raise CannotStackError("a recipe with views is for seeds that train alone")
    modules = [Together(problem.model, problem.objectives) for problem in problems]
    return fit_stacked(
        modules,
        problems[0].train,
        problems[0].valid,
        seeds=seeds,
        watch=watch,
        checkpoint=checkpoint,
        **_how(plan, fold),
    )


def _how(plan: Plan, fold: Fold) -> dict[str, Any]:
    thresholds = plan.spec.thresholds
    return {
        "space": fold.space,
        "config": plan.train,
        "stages": plan.stages,
        "thresholds": thresholds,
        "metrics": plan.metrics,
        "fold": fold.split.fold,
    }
