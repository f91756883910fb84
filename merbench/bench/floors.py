"""What the catalogue says of models that boards treat in their own way."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from merbench.api.declarations.recipe import Recipe
    from merbench.host.catalog import Catalog
    from merbench.report.scores.board.board_scores import Origin


def floors(catalog: Catalog) -> set[str]:
    """Models that are shown beside every model of a track, never ranked."""
    return {recipe.name for recipe in _recipes(catalog) if recipe.floor}


def floors_along(catalog: Catalog) -> list[str]:
    """Floors that are run with any model, in the catalogue's order."""
    return [recipe.name for recipe in _recipes(catalog) if recipe.floor and recipe.runs_along]


def closed_forms(catalog: Catalog) -> set[str]:
    """Models that are the same for every seed, as long as their train rows are."""
    return {recipe.name for recipe in _recipes(catalog) if recipe.closed_form}


def origins(catalog: Catalog) -> dict[str, Origin]:
    """Model -> where it comes from: of those whose recipe says it."""
    from merbench.report.scores.board.board_scores import Origin

    origin_by_model = {
        r.name: Origin(paper=r.paper, code=r.code, licence=r.licence) for r in _recipes(catalog)
    }
    return {name: origin for name, origin in origin_by_model.items() if origin != Origin()}


def _recipes(catalog: Catalog) -> list[Recipe]:
    names = catalog.names("recipe")
    return [catalog.recipe(n) for n in names if len(catalog.providers("recipe", n)) == 1]
