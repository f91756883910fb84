"""What is not known of a score is not learned, should a recipe keep such rows in its train split."""

from dataclasses import replace

import pytest

from merbench.api import Recipe
from merbench.host.catalog import Catalog
from merbench.testing.recipes.training import hidden_targets


@pytest.fixture(scope="module")
def keeping_unlabelled(catalog):
    """The catalogue as if every recipe were for rows without a known target too."""
    return Catalog(
        [
            replace(
                plugin,
                declarations=tuple(
                    replace(d, unlabelled=True) if isinstance(d, Recipe) else d
                    for d in plugin.declarations
                ),
            )
            for plugin in catalog.plugins
        ]
    )


@pytest.mark.parametrize("name", ["confede", "tetfn", "self-mm", "mmim"])
def test_scores_that_are_not_known_are_not_learned(keeping_unlabelled, name):
    recipe = keeping_unlabelled.recipe(name)
    hidden_targets(keeping_unlabelled, recipe, "score")


@pytest.mark.parametrize("name", ["dlf", "emoe"])
def test_labels_that_are_not_known_are_not_learned(catalog, name):
    hidden_targets(catalog, catalog.recipe(name), "multilabel")
