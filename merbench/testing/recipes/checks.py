"""The checks of whole methods, by name."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial

import numpy as np

from merbench.api import Recipe
from merbench.engine.training.evaluate import predict
from merbench.host.catalog import Catalog
from merbench.testing.recipes import state, structure, training
from merbench.testing.recipes.trained import lively, spaces_of, trained
from merbench.testing.verdict import Bodies


def checks(catalog: Catalog, recipe: Recipe) -> Bodies:
    """The checks that apply to a method."""
    bodies: dict[str, Callable[[], None]] = {
        f"builds for a {kind}": partial(structure.builds, catalog, recipe, kind)
        for kind in ("score", "class", "multilabel", "joint")
        if kind in spaces_of(catalog, recipe)
    }
    bodies["needs within provides"] = partial(structure.fits_together, catalog, recipe)
    bodies["padding invariance"] = partial(structure.rows_alone, catalog, recipe, "padding")
    bodies["batch permutation"] = partial(structure.rows_alone, catalog, recipe, "permutation")
    bodies["a row alone"] = partial(structure.rows_alone, catalog, recipe, "alone")
    bodies["missing modality is finite"] = partial(structure.rows_alone, catalog, recipe, "missing")
    bodies["same seed, same result"] = partial(training.same_seed, catalog, recipe)
    bodies["state round-trips"] = partial(state.state_round_trips, catalog, recipe)
    if not recipe.closed_form:
        bodies["gradient reaches every parameter"] = partial(training.gradient, catalog, recipe)
        bodies["a killed run resumes to the same bits"] = partial(state.resumes, catalog, recipe)
        bodies["overfits 8 samples"] = partial(training.overfits, catalog, recipe)

    @cache
    def base() -> np.ndarray:
        problem, fold = trained(lively(catalog, recipe))
        return predict(problem.model, problem.valid, fold.space)

    for ablation in recipe.ablations:
        bodies[f"ablation {ablation.name} differs"] = partial(
            training.differs, catalog, recipe, ablation.name, base
        )
    return bodies
