"""Samplers and pruners by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from optuna.distributions import BaseDistribution
from optuna.pruners import BasePruner, HyperbandPruner, MedianPruner, NopPruner
from optuna.samplers import BaseSampler, CmaEsSampler, GPSampler, RandomSampler, TPESampler
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from merbench.results.seeds import derive

STARTUP = 10
"""Trials that ``tpe`` and ``gp`` draw at random before their model proposes."""

SAMPLERS: Mapping[str, Callable[[int], BaseSampler]] = {
    "tpe": lambda seed: TPESampler(seed=seed, n_startup_trials=STARTUP),
    "random": lambda seed: RandomSampler(seed=seed),
    "gp": lambda seed: GPSampler(
        seed=seed, n_startup_trials=STARTUP, warn_independent_sampling=False
    ),
    "cmaes": lambda seed: CmaEsSampler(seed=seed, warn_independent_sampling=False),
}
PRUNERS = ("median", "hyperband", "none")


def pruner_of(name: str, steps: int) -> BasePruner:
    """``steps``: how often a trial reports at most. The first tenth is never judged: a low rate
    starts slowly.
    """
    warmup = max(1, steps // 10)
    if name == "median":
        return MedianPruner(n_startup_trials=5, n_warmup_steps=warmup)
    if name == "hyperband":
        return HyperbandPruner(min_resource=warmup, max_resource=max(warmup, steps))
    return NopPruner()


class Numbered(BaseSampler):
    """Another sampler, seeded anew for each trial from the search's name and the trial's number.

    No two workers draw the same, and one worker that is stopped between trials draws the same when
    it continues. Not so after a kill in a trial: its retry has a number too, so that later trials
    have others. ``on_begin`` is called with each trial before anything is drawn for it.
    ``proposed``: True if the sampler's model, not chance, has drawn the last one.
    """

    def __init__(self, name: str, on_begin: Callable[[FrozenTrial], None]) -> None:
        self._make, self._on_begin = SAMPLERS[name], on_begin
        self._sampler = self._make(0)
        self.proposed = False

    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        self._on_begin(trial)
        self.proposed = False
        seed = derive(0, "sampler", study.study_name, trial.number) % 2**32
        self._sampler = self._make(seed)
        self._sampler.before_trial(study, trial)

    def infer_relative_search_space(
        self, study: Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        return self._sampler.infer_relative_search_space(study, trial)

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        settings = self._sampler.sample_relative(study, trial, search_space)
        self.proposed |= bool(settings)
        return settings

    def sample_independent(
        self,
        study: Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        if isinstance(self._sampler, TPESampler):  # whose model draws setting by setting
            states = (TrialState.COMPLETE, TrialState.PRUNED)
            observed = study.get_trials(deepcopy=False, states=states)
            self.proposed |= len(observed) >= STARTUP
        return self._sampler.sample_independent(study, trial, param_name, param_distribution)

    def after_trial(
        self, study: Study, trial: FrozenTrial, state: TrialState, values: Sequence[float] | None
    ) -> None:
        self._sampler.after_trial(study, trial, state, values)
