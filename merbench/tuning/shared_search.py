"""A search that many processes share: how it is named, how far it is, what it found."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import optuna
from optuna.distributions import distribution_to_json
from optuna.exceptions import StorageInternalError
from optuna.storages import BaseStorage
from optuna.study import Study, StudyDirection
from optuna.trial import FrozenTrial, TrialState

from merbench.api import RunError
from merbench.engine.plan.plan import Plan, Request
from merbench.results.spec import canonical
from merbench.results.store.store import Store
from merbench.tuning.retries import END, PLANNED, Ledger
from merbench.tuning.search_space import Space, fixed_by, space_of
from merbench.tuning.storage import journal_of, open_storage

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class SearchConfig:
    """How a search is made. ``trials``: how many are finished when it is over, whoever finished
    them. ``budget_seconds``: no trial begins when so many have been spent on training, by all
    workers together.
    """

    trials: int = 30
    budget_seconds: float | None = None
    sampler: str = "tpe"
    pruner: str = "median"
    seeds_per_trial: int = 1
    storage: str | None = None


@dataclass(frozen=True)
class SearchResult:
    """What a search found. ``settings`` of the best trial and ``default_settings``, in the grammar
    of ``Request.settings``.

    ``value`` and ``default``: mean of the validation ``metric`` over tuning seeds and folds, of the
    best trial and of the default settings (None where these failed). ``seconds`` of training that
    the search took, by all workers together. ``proposals``: how many of the trials the sampler's
    model proposed; equal numbers of trials are no equal budgets of those, because a model learns
    only from what it observes (``gp`` and ``cmaes`` from whole trials alone).
    """

    settings: dict[str, Any]
    default_settings: dict[str, Any]
    search: str
    trials: int
    seconds: float
    value: float
    default: float | None
    metric: str
    best: int
    pruned: int
    failed: int
    proposals: int
    sampler: str
    pruner: str
    seeds_per_trial: int

    def to_pandas(self) -> pd.DataFrame:
        """One row a setting: name, default, tuned; last the validation ``metric`` of both."""
        import pandas as pd

        rows = [
            {"name": name, "default": self.default_settings[name], "tuned": value}
            for name, value in self.settings.items()
        ]
        score = {"name": f"valid {self.metric}", "default": self.default, "tuned": self.value}
        return pd.DataFrame([*rows, score])

    @property
    def tuned_by(self) -> dict[str, Any]:
        """As a record has it."""
        return {k: v for k, v in asdict(self).items() if "settings" not in k and k != "best"}


@dataclass(frozen=True)
class SharedSearch:
    """A search as this process has it open; ``study`` is Optuna's word for it. ``wanted``: trials,
    at most as many as there are combinations.
    """

    study: Study
    storage: BaseStorage
    store: Store
    space: Space
    config: SearchConfig
    wanted: int
    metric: str
    sign: int
    """1 where a higher value is better, else -1."""

    @property
    def name(self) -> str:
        return str(self.study.study_name)

    def require_storage(self) -> None:
        """RequestError where the store, in which the search lies unless it has a storage of its
        own, is another folder by now or takes nothing more.
        """
        _require_storage(self.store, self.config)

    def ledger(self) -> Ledger:
        return Ledger(self.study.get_trials(deepcopy=False), self.wanted)

    def is_over(self, ledger: Ledger) -> bool:
        """True when enough trials are finished, or the budget is spent."""
        budget = self.config.budget_seconds
        return ledger.done or (budget is not None and ledger.seconds >= budget)

    def best(self, ledger: Ledger) -> FrozenTrial | None:
        """Of those that were trained to their end; the first of equals."""
        complete = [t for t in ledger.finished if t.state == TrialState.COMPLETE]
        return max(complete, key=lambda t: self.sign * (t.value or 0.0), default=None)

    def result(self) -> SearchResult:
        """RunError where no trial was trained to its end."""
        ledger = self.ledger()
        best, finished = self.best(ledger), ledger.finished
        failed = [t for t in finished if t.state == TrialState.FAIL]
        if best is None or best.value is None:
            reason = f"; the first: {failed[0].user_attrs[END]}" if failed else ""
            raise RunError(
                f"none of {len(finished)} trials of search {self.name} was trained to its "
                f"end{reason}"
            )
        return SearchResult(
            settings=dict(best.params),
            default_settings=dict(self.space.defaults),
            search=self.name,
            trials=len(finished),
            seconds=round(ledger.seconds, 1),
            value=best.value,
            default=_value_of_defaults(ledger),
            metric=self.metric,
            best=best.number,
            pruned=sum(t.state == TrialState.PRUNED for t in finished),
            failed=len(failed),
            proposals=ledger.proposals,
            sampler=self.config.sampler,
            pruner=self.config.pruner,
            seeds_per_trial=self.config.seeds_per_trial,
        )


def _value_of_defaults(ledger: Ledger) -> float | None:
    for trial in ledger.finished:
        if ledger.original(trial.number).user_attrs.get(PLANNED) == 0:
            return trial.value if trial.state == TrialState.COMPLETE else None
    return None


def join(request: Request, plan: Plan, store: Store, config: SearchConfig) -> SharedSearch:
    """The search of these arguments, new where there is none yet. RequestError where the storage
    cannot be used.
    """
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    space = space_of(plan, fixed_by(plan, request))
    name = search_name(plan, space, config)
    storage = open_storage(config.storage, store.root, name)
    # What chooses epochs in the end chooses settings.
    metric = (plan.selecting or [plan.metrics.selecting(plan.train.select)])[-1]
    higher = plan.metrics[metric].higher_is_better
    direction = StudyDirection.MAXIMIZE if higher else StudyDirection.MINIMIZE
    study = _study(storage, name, direction)
    planned = int(min(config.trials, space.size))
    return SharedSearch(study, storage, store, space, config, planned, metric, 1 if higher else -1)


def _study(storage: BaseStorage, name: str, direction: StudyDirection) -> Study:
    """The one of this name, new where there is none yet: of one that is there nothing is written,
    since many only look on.
    """
    try:
        return optuna.load_study(study_name=name, storage=storage)
    except KeyError:
        return optuna.create_study(
            study_name=name, storage=storage, load_if_exists=True, direction=direction
        )


@contextmanager
def loss_of_storage_reported(store: Store, config: SearchConfig) -> Iterator[None]:
    """What a search's storage raises in the block ends it with a sentence."""
    try:
        _require_storage(store, config)
        yield
    except OSError:
        _require_storage(store, config)  # which says why, where it is the store
        raise
    except StorageInternalError as error:
        raise RunError(
            f"the search's storage was lost ({error.__cause__ or error}); "
            "the same command continues where this ended"
        ) from error


def _require_storage(store: Store, config: SearchConfig) -> None:
    if config.storage is None:
        store.require_room()


def is_begun(request: Request, plan: Plan, store: Store, config: SearchConfig) -> bool:
    """False where nobody has begun the search; a database is not asked, and may hold it."""
    if config.storage is not None and "://" in config.storage:
        return True
    name = search_name(plan, space_of(plan, fixed_by(plan, request)), config)
    return journal_of(config.storage, store.root, name).exists()


def search_name(plan: Plan, space: Space, config: SearchConfig) -> str:
    """Names everything that decides the search, and not how long it is: equal requests join one
    search.
    """
    spec = plan.spec.identity()
    for key in space.ranges:
        slot, _, name = key.rpartition(".")
        owner = spec["train"] if slot == "train" else spec["parts"][slot]["config"]
        owner.pop(name, None)  # a field that came later is left out at its default
    ranges = {name: distribution_to_json(r) for name, r in space.ranges.items()}
    method = {"sampler": config.sampler, "pruner": config.pruner, "seeds": config.seeds_per_trial}
    content = {"spec": spec, "contents": dict(plan.contents), "ranges": ranges, **method}
    digest = sha256(canonical(content).encode()).hexdigest()[:10]
    spec_words = (getattr(plan.spec, k) for k in ("model", "ablation", "dataset", "task"))
    words = (*spec_words, plan.spec.protocol, digest)
    return "-".join(re.sub(r"[^A-Za-z0-9.+_]+", "-", word) for word in words if word)
