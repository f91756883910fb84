"""Ablations: which of them a model has here, and which are the full model under another name."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import combinations
from typing import Any

from merbench.api import MODALITIES, Ablation, Modality, Recipe, RequestError
from merbench.engine.plan.plan import Plan, Request
from merbench.engine.plan.settings import overrides
from merbench.report.scores.paired_differences import Line, same
from merbench.report.scores.rows.pooled_seeds import Scored
from merbench.results.spec import series

FULL = "full"


def subsets(modalities: Sequence[Modality]) -> list[tuple[Modality, ...]]:
    """Every proper subset that is not empty, the larger first."""
    return [
        chosen
        for size in range(len(modalities) - 1, 0, -1)
        for chosen in combinations(modalities, size)
    ]


def ablated_request(request: Request, ablation: Ablation) -> Request:
    """The request without what the ablation takes away. Its settings describe the full model, so
    those that the ablation overrides, or whose part it leaves out, are not passed on: they would
    undo the ablation, or be refused.
    """
    kept = {k: v for k, v in request.settings.items() if not overrides(ablation.settings, k)}
    if ablation.modalities:
        kept = _of_modalities(kept, ablation.modalities)
    return replace(request, ablations=(ablation.name,), settings=kept)


def _of_modalities(settings: Mapping[str, Any], modalities: Sequence[Modality]) -> dict[str, Any]:
    """Without those of the encoders of other modalities."""
    others = {f"encoder.{modality}" for modality in MODALITIES if modality not in modalities}
    return {k: v for k, v in settings.items() if others.isdisjoint((k, k.rpartition(".")[0]))}


def ablated_requests(
    recipe: Recipe,
    names: Sequence[str],
    modalities: Sequence[Modality],
    request: Request,
    all_subsets: bool,
) -> dict[str, Request]:
    """Name -> request: the named ablations, and every subset of ``modalities`` (those that are
    read) where asked.

    A declared ablation that is nothing but such a subset is left to the subset.
    """
    by_subset = {subset: "+".join(subset) for subset in subsets(modalities)} if all_subsets else {}
    declared = {a.name: a for a in recipe.ablations}
    requests = {}
    for name in names:
        if declared[name].settings or declared[name].modalities not in by_subset:
            requests[name] = ablated_request(request, declared[name])
    return requests | {
        name: replace(request, modalities=subset, settings=_of_modalities(request.settings, subset))
        for subset, name in by_subset.items()
    }


def plans_of(
    requests: Mapping[str, Request], full: Plan, plan: Callable[[Request], Plan]
) -> tuple[dict[str, Plan], dict[str, str]]:
    """``(plans, reasons)``: what can be run, and one sentence for each ablation that cannot, that
    changes nothing, or that is an earlier one under another name.
    """
    plan_by_name: dict[str, Plan] = {}
    reasons: dict[str, str] = {}
    name_of_model = {_model(full): FULL}
    for name, request in requests.items():
        try:
            ablated = plan(request)
        except RequestError as error:
            reasons[name] = str(error)
            continue
        first = name_of_model.setdefault(_model(ablated), name)
        if first == name:
            plan_by_name[name] = ablated
        elif first == FULL:
            reasons[name] = "changes nothing here: on these streams it is the full model"
        else:
            reasons[name] = f"is {first} under another name: on these streams they are one model"
    return plan_by_name, reasons


def _model(plan: Plan) -> str:
    """Equal for plans that differ in the name of an ablation alone."""
    return series(plan.spec.model_copy(update={"ablation": ""}), plan.contents)


def lines(scored: Mapping[str, Mapping[int, Scored]], reasons: Mapping[str, str]) -> list[Line]:
    """The full model, each ablation compared with it, then what has no score.

    Two ablations may be one model (an order of modalities of which one is absent): what predicts
    the same to the last bit as an earlier line is no comparison of its own.
    """
    compared = [Line(FULL, scored[FULL])]
    twins = []
    for name, seeds in scored.items():
        if name == FULL:
            continue
        twin = next((line.name for line in compared if same(line.scored, seeds)), None)
        if twin:
            reason = (
                f"predicts the same as {twin} to the last bit: on these streams they are one model"
            )
            twins.append(Line(name, reason=reason))
        else:
            compared.append(Line(name, seeds, against=FULL))
    return compared + twins + [Line(name, reason=reason) for name, reason in reasons.items()]
