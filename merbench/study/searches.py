"""Tuning as the first part of a study: the same search for every model, and where each search
stands.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from merbench.api import RunError
from merbench.engine.plan import Plan, Request
from merbench.results.store import Store
from merbench.runs.machine import Machine
from merbench.runs.workspace import Material
from merbench.study.file import Tuning
from merbench.tuning.search import tune
from merbench.tuning.shared_study import Search, Tuned, join


@dataclass(frozen=True)
class Standing:
    """Of one search: trials ``finished`` of ``wanted``, ``seconds`` spent on them; ``found`` when
    it is over, or why it found nothing.
    """

    finished: int
    wanted: int
    seconds: float
    found: Tuned | None = None
    error: str = ""

    @property
    def seconds_left(self) -> float:
        """Of training, by what the trials took so far; 0 where none is finished."""
        return (
            (self.wanted - self.finished) * self.seconds / self.finished if self.finished else 0.0
        )


def standing(request: Request, plan: Plan, tuning: Tuning, store: Store) -> Standing:
    """Without doing any of the work."""
    joined = join(request, plan, store, search_of(tuning))
    ledger = joined.ledger()
    numbers = len(ledger.finished), joined.wanted, ledger.seconds
    if not joined.over(ledger):
        return Standing(*numbers)
    try:
        return Standing(*numbers, found=joined.outcome())
    except RunError as error:
        return Standing(*numbers, error=str(error))


def search_of(tuning: Tuning) -> Search:
    return Search(
        tuning.trials,
        tuning.budget_seconds,
        tuning.sampler,
        tuning.pruner,
        tuning.seeds_per_trial,
        tuning.storage,
    )


def fitting(settings: dict[str, Any], full: Plan, variant: Plan) -> dict[str, Any]:
    """Those tuned settings of the full model that a variant of it has too: of parts that it has,
    and that it does not set itself.
    """
    own = {
        key
        for a in variant.recipe.ablations
        if a.name in variant.spec.variant.split("+")
        for key in a.settings
    }

    def fits(key: str) -> bool:
        slot = key.rpartition(".")[0]
        here, there = (
            plan.spec.parts[slot].name if slot in plan.spec.parts else ""
            for plan in (full, variant)
        )
        return key not in own and (slot == "train" or (here == there != ""))

    return {key: value for key, value in settings.items() if fits(key)}


class Tuner:
    """Works on one search until it is over, beside all others that do: called like a ``Worker``,
    with ``(dataset, request)``.
    """

    def __init__(
        self, material: Material, tuning: Tuning, store: Path, device: str, threads: int | None
    ) -> None:
        self.material, self.tuning, self.store = material, tuning, store
        self.device, self.threads = device, threads

    def __call__(self, task: tuple[str, Request]) -> None:
        plan = self.material.plan(*task)
        tune(
            task[1],
            plan,
            Store(self.store),
            Machine.choose(self.device, self.threads),
            search_of(self.tuning),
        )
