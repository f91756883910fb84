"""What a search's trials look like: file name -> picture."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from typing import Literal

from optuna.importance import (
    FanovaImportanceEvaluator,
    PedAnovaImportanceEvaluator,
    get_param_importances,
)
from optuna.trial import TrialState

from merbench.report.pictures import search as pictures
from merbench.report.pictures.search import Tried
from merbench.tuning.shared_search import SharedSearch

_STATES: Mapping[TrialState, Literal["complete", "pruned", "failed"]] = {
    TrialState.COMPLETE: "complete",
    TrialState.PRUNED: "pruned",
    TrialState.FAIL: "failed",
}


def figures(search: SharedSearch) -> dict[str, bytes]:
    """History, expected best over budgets, learning curves and, where three trials or more differ,
    importance.
    """
    trials = [
        Tried(_STATES[t.state], t.value, sorted(t.intermediate_values.items()))
        for t in search.ledger().finished
    ]
    metric, higher = search.metric, search.sign > 0
    svg_by_name = {
        "curves.svg": pictures.curves(trials, metric, higher),
        "history.svg": pictures.history(trials, metric, higher),
    }
    if any(t.value is not None for t in trials):
        svg_by_name["best-of-n.svg"] = pictures.budget(trials, metric, higher)
    if len({t.value for t in trials if t.state == "complete"}) > 2:
        svg_by_name["importance.svg"] = pictures.importance(*importance(search))
    return svg_by_name


def importance(search: SharedSearch) -> tuple[dict[str, float], str]:
    """Setting -> its share of the trials' differences, and the name of the method.

    fANOVA, where scikit-learn is installed (``merbench[importance]``): with 30 trials and a setting
    whose bad half is all bad, PED-ANOVA, which looks at the best trials alone, gives it too little.
    """
    if importlib.util.find_spec("sklearn"):
        fanova = FanovaImportanceEvaluator(seed=0)
        return get_param_importances(search.study, evaluator=fanova), "fANOVA"
    ped_anova = PedAnovaImportanceEvaluator()
    return get_param_importances(search.study, evaluator=ped_anova), "PED-ANOVA"
