"""Tuning as the first part of a study: the same search for every model, and how far each is."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from merbench.api import RunError
from merbench.engine.plan.plan import Plan, Request
from merbench.engine.plan.settings import overrides
from merbench.results.store.store import Store
from merbench.runs.machine import Machine
from merbench.runs.workspace import Workspace
from merbench.study.file import Tuning
from merbench.tuning.search import tune
from merbench.tuning.search_space import fixed_by, space_of
from merbench.tuning.shared_search import SearchConfig, SearchResult, is_begun, join


@dataclass(frozen=True)
class SearchStatus:
    """Of one search: trials ``finished`` of ``wanted``, ``seconds`` spent on them; ``result``
    when it is over, or the ``error`` why it found nothing.
    """

    finished: int
    wanted: int
    seconds: float
    result: SearchResult | None = None
    error: str = ""

    @property
    def is_over(self) -> bool:
        return self.result is not None or bool(self.error)

    @property
    def seconds_left(self) -> float:
        """Of training, by what the trials took so far; 0 where none is finished."""
        return (
            (self.wanted - self.finished) * self.seconds / self.finished if self.finished else 0.0
        )


def status_of(request: Request, plan: Plan, tuning: Tuning, store: Store) -> SearchStatus:
    """Without doing any of the work, or leaving a file."""
    if not is_begun(request, plan, store, config_of(tuning)):
        planned = int(min(tuning.trials, space_of(plan, fixed_by(plan, request)).size))
        return SearchStatus(0, planned, 0.0)
    search = join(request, plan, store, config_of(tuning))
    ledger = search.ledger()
    numbers = len(ledger.finished), search.wanted, ledger.seconds
    if not search.is_over(ledger):
        return SearchStatus(*numbers)
    try:
        return SearchStatus(*numbers, result=search.result())
    except RunError as error:
        return SearchStatus(*numbers, error=str(error))


def config_of(tuning: Tuning) -> SearchConfig:
    return SearchConfig(
        tuning.trials,
        tuning.budget_seconds,
        tuning.sampler,
        tuning.pruner,
        tuning.seeds_per_trial,
        tuning.storage,
    )


def fitting(settings: dict[str, Any], full: Plan, ablated: Plan) -> dict[str, Any]:
    """Those tuned settings of the full model that an ablation of it has too: of parts that it has,
    and that it does not set itself.
    """
    names = ablated.spec.ablation.split("+")
    ablations = [a for a in ablated.recipe.ablations if a.name in names]

    def has_same_part(slot: str) -> bool:
        parts = full.spec.parts, ablated.spec.parts
        if slot == "train":
            return True
        return all(slot in p for p in parts) and parts[0][slot].name == parts[1][slot].name

    return {
        key: value
        for key, value in settings.items()
        if has_same_part(key.rpartition(".")[0])
        and not any(overrides(ablation.settings, key) for ablation in ablations)
    }


class Tuner:
    """Works on one search until it is over, beside all others that do: called like a ``Worker``,
    with ``(dataset, request)``.
    """

    def __init__(
        self, workspace: Workspace, tuning: Tuning, store: Path, device: str, threads: int | None
    ) -> None:
        self.workspace, self.tuning, self.store = workspace, tuning, Store(store)
        self.device, self.threads = device, threads
        self.store.require_same_folder()  # so that every process knows which one it is

    def __call__(self, task: tuple[str, Request]) -> None:
        plan = self.workspace.plan(*task)
        tune(
            task[1],
            plan,
            self.store,
            Machine.choose(self.device, self.threads),
            config_of(self.tuning),
        )
