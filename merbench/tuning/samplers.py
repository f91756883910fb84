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

SAMPLERS: Mapping[str, Callable[[int], BaseSampler]] = {
    "tpe": lambda seed: TPESampler(seed=seed),
    "random": lambda seed: RandomSampler(seed=seed),
    "gp": lambda seed: GPSampler(seed=seed, warn_independent_sampling=False),
    "cmaes": lambda seed: CmaEsSampler(seed=seed, warn_independent_sampling=False),
}
PRUNERS = ("median", "hyperband", "none")


def pruner_of(name: str, steps: int) -> BasePruner:
    """``steps``: how often a trial reports at most. The first tenth is never judged: a low rate
    starts slowly.
    """
    warm = max(1, steps // 10)
    if name == "median":
        return MedianPruner(n_startup_trials=5, n_warmup_steps=warm)
    return (
        HyperbandPruner(min_resource=warm, max_resource=max(warm, steps))
        if name == "hyperband"
        else NopPruner()
    )


class Numbered(BaseSampler):
    """Another sampler, seeded anew for each trial from the study's name and the trial's number.

    So one worker draws the same however often it is stopped and started, and no two workers draw
    the same. ``begun`` is told of each trial before anything is drawn for it.
    """

    def __init__(self, name: str, begun: Callable[[FrozenTrial], None]) -> None:
        self._make, self._begun = SAMPLERS[name], begun
        self._inner = self._make(0)

    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        self._begun(trial)
        self._inner = self._make(derive(0, "sampler", study.study_name, trial.number) % 2**32)
        self._inner.before_trial(study, trial)

    def infer_relative_search_space(
        self, study: Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        return self._inner.infer_relative_search_space(study, trial)

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        return self._inner.sample_relative(study, trial, search_space)

    def sample_independent(
        self,
        study: Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        return self._inner.sample_independent(study, trial, param_name, param_distribution)

    def after_trial(
        self, study: Study, trial: FrozenTrial, state: TrialState, values: Sequence[float] | None
    ) -> None:
        self._inner.after_trial(study, trial, state, values)
