"""A method resolved, built and trained on the tiny corpus."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import torch

from merbench.api import Recipe, Split
from merbench.api.declarations.component import ComponentKind
from merbench.api.material.types import SpaceKind
from merbench.engine.build import Problem, build
from merbench.engine.learn import learn
from merbench.engine.plan.plan import Plan, Request
from merbench.engine.resolve import resolve
from merbench.engine.rows.splits import Fold
from merbench.engine.training.evaluate import weights_digest
from merbench.host.catalog import Catalog
from merbench.testing import tiny

CPU = torch.device("cpu")
SHORT = {"train.epochs": 2, "train.batch_size": 4}
LIVELY = 3e-3


def spaces_of(catalog: Catalog, recipe: Recipe) -> list[SpaceKind]:
    """The kinds of task that a method and all its parts are for."""
    components: list[tuple[ComponentKind, str | None]] = [
        ("fusion", recipe.fusion),
        ("head", recipe.head),
        ("label-encoder", recipe.label_encoder),
        ("model", recipe.model),
        *(("objective", name) for name in recipe.objective),
    ]
    declared = [recipe.spaces]
    declared += [catalog.component(kind, name).spaces for kind, name in components if name]
    return [
        kind for kind in tiny.SPACES if all(not spaces or kind in spaces for spaces in declared)
    ]


def resolved(
    catalog: Catalog,
    recipe: Recipe,
    kind: SpaceKind | None = None,
    ablations: Sequence[str] = (),
    dataset: str = "tiny",
    labels: str = "",
    **settings: object,
) -> Plan:
    corpus = dataclasses.replace(tiny.corpus(kind or spaces_of(catalog, recipe)[0]), name=dataset)
    chosen = {key.replace("__", "."): value for key, value in settings.items()}
    return resolve(
        Request(
            recipe.name,
            settings={**SHORT, **chosen},
            ablations=tuple(ablations),
            labels=labels,
        ),
        catalog,
        corpus,
        None,
    )


def lively(catalog: Catalog, recipe: Recipe, ablations: Sequence[str] = ()) -> Plan:
    """Trained long enough, and at such a rate, that a small or late term of the loss shows, and to
    the last epoch, since the best may come before that term.
    """
    plan = resolved(catalog, recipe, ablations=ablations, train__epochs=4)
    if not recipe.closed_form and plan.train.lr < LIVELY:
        plan = resolved(catalog, recipe, ablations=ablations, train__epochs=4, train__lr=LIVELY)
    stages = tuple(dataclasses.replace(stage, selects=False) for stage in plan.stages)
    return dataclasses.replace(plan, stages=stages)


def built(plan: Plan, seed: int = 0, split: Split | None = None) -> tuple[Problem, Fold]:
    fold = Fold(plan.streams, plan.task, split or plan.protocol.splits[0], plan.lexicon)
    return build(plan, fold, seed, CPU), fold


@dataclasses.dataclass(frozen=True)
class Trained:
    """A method after training on its first kind of task. ``digest``: of its weights then."""

    plan: Plan
    problem: Problem
    fold: Fold
    digest: str


class LastTrained:
    """The method that was trained last, for checks that only read it: those of one method, which
    come one after another, train it once.
    """

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._last: tuple[Recipe, Trained] | None = None

    def of(self, recipe: Recipe) -> Trained:
        if self._last is None or self._last[0] is not recipe:
            plan = resolved(self._catalog, recipe)
            problem, fold = trained(plan)
            self._last = recipe, Trained(plan, problem, fold, weights_digest(problem.model))
        return self._last[1]


def trained(plan: Plan, seed: int = 0) -> tuple[Problem, Fold]:
    problem, fold = built(plan, seed)
    learn(plan, problem, fold, seed)
    return problem, fold
