"""A search as a study that many processes share: how it is named, where it stands, what it found."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from hashlib import sha256
from typing import Any

import optuna
from optuna.distributions import distribution_to_json
from optuna.storages import BaseStorage
from optuna.study import Study, StudyDirection
from optuna.trial import FrozenTrial, TrialState

from merbench.api import RunError
from merbench.engine.plan import Plan, Request
from merbench.results.metrics import METRICS, selecting
from merbench.results.spec import canonical
from merbench.results.store import Store
from merbench.tuning.ledger import END, PLANNED, Ledger
from merbench.tuning.space import Space, fixed_by, space_of
from merbench.tuning.storage import open_storage


@dataclass(frozen=True)
class Search:
    """How a search is made. ``trials``: how many are finished when it is over, whoever finished
    them. ``seconds``: no trial begins when so many have been spent on training, by all workers
    together."""

    trials: int
    seconds: float | None = None
    sampler: str = "tpe"
    pruner: str = "median"
    seeds_per_trial: int = 1
    storage: str | None = None


@dataclass(frozen=True)
class Tuned:
    """What a search found. ``settings`` of the best trial and ``default_settings``, in the grammar
    of ``Request.settings``.

    ``value`` and ``default``: mean of the validation ``metric`` over tuning seeds and folds, of the
    best trial and of the default settings (None where these failed). ``seconds`` of training that
    the search took, by all workers together.
    """

    settings: dict[str, Any]
    default_settings: dict[str, Any]
    study: str
    trials: int
    seconds: float
    value: float
    default: float | None
    metric: str
    best: int
    pruned: int
    failed: int
    sampler: str
    pruner: str
    seeds_per_trial: int

    @property
    def by(self) -> dict[str, Any]:
        """A record's ``tuned_by``."""
        return {k: v for k, v in asdict(self).items() if "settings" not in k and k != "best"}


@dataclass(frozen=True)
class Joined:
    """A study as this process has it open. ``wanted``: trials, at most as many as there are
    combinations.
    """

    study: Study
    storage: BaseStorage
    space: Space
    search: Search
    wanted: int
    metric: str

    @property
    def sign(self) -> int:
        """1 where a higher value is better, else -1."""
        return 1 if METRICS[self.metric].higher_is_better else -1

    def ledger(self) -> Ledger:
        return Ledger(self.study.get_trials(deepcopy=False), self.wanted)

    def over(self, ledger: Ledger) -> bool:
        """Whether enough trials are finished, or the budget is spent."""
        return ledger.done or (
            self.search.seconds is not None and ledger.seconds >= self.search.seconds
        )

    def best(self, ledger: Ledger) -> FrozenTrial | None:
        """Of those that were trained to their end; the first of equals."""
        whole = [t for t in ledger.finished if t.state == TrialState.COMPLETE]
        return max(whole, key=lambda t: self.sign * (t.value or 0.0), default=None)

    def outcome(self) -> Tuned:
        """RunError where no trial was finished whole."""
        ledger = self.ledger()
        best, finished = self.best(ledger), ledger.finished
        failed = [t for t in finished if t.state == TrialState.FAIL]
        if best is None or best.value is None:
            why = f"; the first: {failed[0].user_attrs[END]}" if failed else ""
            raise RunError(
                f"none of {len(finished)} trials of study {self.study.study_name} was finished whole{why}"
            )
        first = next(
            (t for t in finished if ledger.root(t.number).user_attrs.get(PLANNED) == 0), None
        )
        return Tuned(
            settings=dict(best.params),
            default_settings=dict(self.space.defaults),
            study=self.study.study_name,
            trials=len(finished),
            seconds=round(ledger.seconds, 1),
            value=best.value,
            default=first.value if first and first.state == TrialState.COMPLETE else None,
            metric=self.metric,
            best=best.number,
            pruned=sum(t.state == TrialState.PRUNED for t in finished),
            failed=len(failed),
            sampler=self.search.sampler,
            pruner=self.search.pruner,
            seeds_per_trial=self.search.seeds_per_trial,
        )


def join(request: Request, plan: Plan, store: Store, search: Search) -> Joined:
    """The study of these arguments, made where it is not there yet. RequestError where the storage
    cannot be used.
    """
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    space = space_of(plan, fixed_by(plan, request))
    name = study_name(plan, space, search)
    storage = open_storage(search.storage, store.root, name)
    # What chooses epochs chooses settings.
    metric = selecting(plan.train.select, plan.task.space.kind)
    direction = (
        StudyDirection.MAXIMIZE if METRICS[metric].higher_is_better else StudyDirection.MINIMIZE
    )
    study = optuna.create_study(
        study_name=name, storage=storage, load_if_exists=True, direction=direction
    )
    return Joined(study, storage, space, search, int(min(search.trials, space.size)), metric)


def study_name(plan: Plan, space: Space, search: Search) -> str:
    """Names everything that decides the search, and not how long it is: equal requests join one
    study.
    """
    spec = plan.spec.identity()
    for key in space.ranges:
        slot, _, name = key.rpartition(".")
        owner = spec["train"] if slot == "train" else spec["parts"][slot]["config"]
        owner.pop(name, None)  # a field that came later is left out at its default
    ranges = {name: distribution_to_json(r) for name, r in space.ranges.items()}
    how = {"sampler": search.sampler, "pruner": search.pruner, "seeds": search.seeds_per_trial}
    digest = sha256(
        canonical({"spec": spec, "contents": dict(plan.contents), "ranges": ranges, **how}).encode()
    ).hexdigest()[:10]
    words = (
        plan.spec.model,
        plan.spec.variant,
        plan.spec.dataset,
        plan.spec.task,
        plan.spec.protocol,
        digest,
    )
    return "-".join(re.sub(r"[^A-Za-z0-9.+_]+", "-", word) for word in words if word)
