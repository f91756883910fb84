"""A problem -> a trained one: in closed form where the recipe says so, else by the training loop."""

from __future__ import annotations

from merbench.engine.build import Problem
from merbench.engine.checkpoint import Checkpoint
from merbench.engine.resolve import Plan
from merbench.engine.splits import Fold
from merbench.engine.train import Fitted, Watch, fit


def learn(
    plan: Plan, problem: Problem, fold: Fold, seed: int, watch: Watch = lambda entry: None, checkpoint: Checkpoint | None = None
) -> Fitted:
    """Trains ``problem.model`` in place, on its train and valid rows; goes on from ``checkpoint`` where it holds a state."""
    if plan.recipe.fits:
        problem.model.fit(problem.train, problem.valid)  # type: ignore[operator]
        return Fitted()
    return fit(
        problem.model,
        problem.objectives,
        problem.train,
        problem.valid,
        space=fold.space,
        config=plan.train,
        stages=plan.stages,
        thresholds=plan.spec.thresholds,
        seed=seed,
        fold=fold.split.fold,
        watch=watch,
        checkpoint=checkpoint,
    )
