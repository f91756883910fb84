"""What a study's trials look like: file name -> picture."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import optuna
from optuna.trial import TrialState

from merbench.report.pictures import search as plots_study
from merbench.report.pictures.search import Tried
from merbench.tuning.shared_study import Joined

_STATES: Mapping[TrialState, Literal["complete", "pruned", "failed"]] = {
    TrialState.COMPLETE: "complete",
    TrialState.PRUNED: "pruned",
    TrialState.FAIL: "failed",
}


def figures(joined: Joined) -> dict[str, bytes]:
    """History, expected best over budgets, learning curves and, where three trials or more differ,
    importance.
    """
    trials = [
        Tried(_STATES[t.state], t.value, sorted(t.intermediate_values.items()))
        for t in joined.ledger().finished
    ]
    metric, higher = joined.metric, joined.sign > 0
    made = {
        "curves.svg": plots_study.curves(trials, metric, higher),
        "history.svg": plots_study.history(trials, metric, higher),
    }
    if any(t.value is not None for t in trials):
        made["best-of-n.svg"] = plots_study.budget(trials, metric, higher)
    if len({t.value for t in trials if t.state == "complete"}) > 2:
        made["importance.svg"] = plots_study.importance(
            optuna.importance.get_param_importances(joined.study)
        )
    return made
