"""The checks of whole methods, by name."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial

import numpy as np

from merbench.api import Recipe
from merbench.api.material.types import SpaceKind
from merbench.engine.training.evaluate import predict
from merbench.host.catalog import Catalog
from merbench.testing.parts.rowwise import ROWWISE
from merbench.testing.recipes import state, structure, training
from merbench.testing.recipes.trained import LastTrained, lively, spaces_of, trained
from merbench.testing.verdict import Bodies


def checks(catalog: Catalog, recipe: Recipe, last: LastTrained) -> Bodies:
    """The checks that apply to a method. ``last``: what those that only read it share."""
    bodies: dict[str, Callable[[], None]] = {
        f"builds for a {kind}": partial(structure.builds, catalog, recipe, kind, last)
        for kind in ("score", "class", "multilabel", "joint")
        if kind in spaces_of(catalog, recipe)
    }
    bodies["needs within provides"] = partial(structure.fits_together, catalog, recipe)
    for check, change in ROWWISE.items():
        bodies[check] = partial(structure.rows_alone, recipe, change, last)
    bodies["same seed, same result"] = partial(training.same_seed, recipe, last)
    bodies["state round-trips"] = partial(state.state_round_trips, recipe, last)
    if not recipe.closed_form:
        bodies["gradient reaches every parameter"] = partial(training.gradient, catalog, recipe)
        if (kind := _incomplete(catalog, recipe)) is not None:
            bodies["hidden targets are not learned"] = partial(
                training.hidden_targets, catalog, recipe, kind
            )
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


def _incomplete(catalog: Catalog, recipe: Recipe) -> SpaceKind | None:
    """A task of which it may meet train rows that are not known whole; None where there is none."""
    kinds = spaces_of(catalog, recipe)
    if "multilabel" in kinds:
        return "multilabel"
    return kinds[0] if recipe.unlabelled else None
