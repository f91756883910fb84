"""A method's parts fit together, and its rows do not depend on one another."""

from __future__ import annotations

import numpy as np
import torch

from merbench.api import Batch, Recipe, RequestError, Steps
from merbench.api.material.types import SpaceKind
from merbench.engine.build import Problem
from merbench.engine.rows.splits import Fold
from merbench.engine.training.evaluate import predict
from merbench.host.catalog import Catalog
from merbench.testing.parts.rowwise import rowwise
from merbench.testing.recipes.trained import CPU, LastTrained, resolved, spaces_of, trained
from merbench.testing.verdict import Skip


def builds(catalog: Catalog, recipe: Recipe, kind: SpaceKind, last: LastTrained) -> None:
    if kind == spaces_of(catalog, recipe)[0]:
        problem, fold = last.of(recipe).problem, last.of(recipe).fold
    else:
        problem, fold = _trained_for(catalog, recipe, kind)
    predictions = predict(problem.model, fold.data("test", problem.encoders, CPU), fold.space)
    assert np.isfinite(predictions).all(), "predictions are not finite"


def _trained_for(catalog: Catalog, recipe: Recipe, kind: SpaceKind) -> tuple[Problem, Fold]:
    plan = resolved(catalog, recipe, kind)
    try:
        return trained(plan)
    except RequestError as error:
        if kind == "joint":
            raise Skip(f"is for one task at a time: {error}") from error
        raise


def fits_together(catalog: Catalog, recipe: Recipe) -> None:
    """The recipe and each of its ablations resolve: every part finds what it needs."""
    plan, *_ = [
        resolved(catalog, recipe, ablations=ablations)
        for ablations in ([], *([a.name] for a in recipe.ablations))
    ]
    configs = {"train": plan.train, **{slot: part.config for slot, part in plan.parts.items()}}
    for name, tune in recipe.search.items():
        slot, _, field = name.rpartition(".")
        having = [
            config
            for place, config in configs.items()
            if (place == slot or place.startswith(f"{slot}."))
            and field in type(config).model_fields
        ]
        assert having, f"search names {name}, and no part has such a setting"
        assert all(tune is None or tune.holds(getattr(config, field)) for config in having), (
            f"the default of {name} lies outside its search range {tune}"
        )
    for slot, config in configs.items():
        for field, tune in type(config).tunable().items():
            own_range = {f"{slot}.{field}", f"{slot.partition('.')[0]}.{field}"} & {*recipe.search}
            value = getattr(config, field)
            assert own_range or not tune.log or value is None or value > 0, (
                f"{slot}.{field}={value} has no place on its log range; give it another in search"
            )
    for case in recipe.cases:  # the tiny corpus offers none of their streams
        for dataset in case.datasets:
            resolved(catalog, recipe, dataset=dataset)
        for kind, name in case.encoders.items():
            accepts = catalog.component("encoder", name).accepts
            assert kind.rpartition(".")[2] in accepts, (
                f"a case gives {kind} to {name}, which accepts {' and '.join(accepts)}"
            )


def rows_alone(recipe: Recipe, check: str, last: LastTrained) -> None:
    problem = last.of(recipe).problem
    batch_of_five = problem.train.batch(torch.arange(5))
    if not all(isinstance(steps, Steps) for steps in batch_of_five.inputs.values()):
        raise Skip("its encoders take raw inputs")
    problem.model.eval()
    if check == "alone" and not batch_of_five.inputs:
        raise Skip("it reads no modality")

    def logits(inputs: dict) -> torch.Tensor:  # type: ignore[type-arg]
        rows = len(next(iter(inputs.values())).mask_BL) if inputs else len(batch_of_five)
        batch = Batch(batch_of_five.ids_B[:rows], inputs, batch_of_five.target[:rows])
        out: torch.Tensor = problem.model(batch).logits_BC
        return out

    rowwise(logits, dict(batch_of_five.inputs), check)
