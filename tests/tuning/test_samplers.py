"""Which trials a sampler's model proposes: by Optuna's own rules, not by the number of trials."""

from __future__ import annotations

import optuna
import pytest
from optuna.trial import TrialState

from merbench.tuning.samplers import STARTUP, Numbered, pruner_of

RANGES = {name: optuna.distributions.FloatDistribution(0.0, 1.0) for name in ("a", "b")}


def proposed_after(sampler: str, state: TrialState, count: int) -> bool:
    """Whether the trial after ``count`` of this state is its model's."""
    numbered = Numbered(sampler, lambda trial: None)
    study = optuna.create_study(sampler=numbered)
    for k in range(count):
        study.add_trial(
            optuna.trial.create_trial(
                state=state,
                value=(k - 3.0) ** 2 if state == TrialState.COMPLETE else None,
                intermediate_values={0: float(k)},
                params={"a": k / 20, "b": 1 - k / 20},
                distributions=RANGES,
            )
        )
    study.ask(RANGES)
    return numbered.proposed


@pytest.mark.parametrize(
    ("sampler", "complete", "pruned"),
    [("tpe", True, True), ("gp", True, False), ("cmaes", True, False), ("random", False, False)],
)
def test_pruned_trials_are_no_observations_of_gp_and_cmaes(sampler, complete, pruned):
    assert proposed_after(sampler, TrialState.COMPLETE, STARTUP) == complete
    assert proposed_after(sampler, TrialState.PRUNED, STARTUP) == pruned


@pytest.mark.parametrize("sampler", ["tpe", "gp"])
def test_the_first_trials_are_chance(sampler):
    assert not proposed_after(sampler, TrialState.COMPLETE, STARTUP - 1)


@pytest.mark.parametrize("complete", [4, 5])
def test_a_trial_is_judged_after_its_first_tenth_beside_five_that_are_whole(complete):
    study = optuna.create_study(pruner=pruner_of("median", 40))
    for value in range(complete):
        trial = optuna.trial.create_trial(
            value=value, intermediate_values={step: float(value) for step in range(40)}
        )
        study.add_trial(trial)
    worst, judged = study.ask(), []
    for step in range(40):
        worst.report(9.0, step)
        judged.append(worst.should_prune())
    assert judged == [complete == 5 and step >= 4 for step in range(40)]
