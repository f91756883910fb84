"""Ablations: which variants of a model there are, and which of them are the full model under
another name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import combinations

from merbench.api import Modality, Recipe, RequestError
from merbench.engine.plan import Plan, Request
from merbench.report.scores.paired import Line, same
from merbench.report.scores.summary import Scored

FULL = "full"


def subsets(modalities: Sequence[Modality]) -> list[tuple[Modality, ...]]:
    """Every proper subset that is not empty, the larger first."""
    return [
        chosen
        for size in range(len(modalities) - 1, 0, -1)
        for chosen in combinations(modalities, size)
    ]


def variants(
    recipe: Recipe,
    names: Sequence[str],
    used: Sequence[Modality],
    request: Request,
    all_subsets: bool,
) -> dict[str, Request]:
    """Name -> request: the named ablations, and every subset of the ``used`` modalities where
    asked.

    A declared ablation that is nothing but such a subset is left to the subset.
    """
    by_subset = {subset: "+".join(subset) for subset in subsets(used)} if all_subsets else {}
    declared = {a.name: a for a in recipe.ablations}
    found = {}
    for name in names:
        if declared[name].settings or declared[name].modalities not in by_subset:
            found[name] = replace(request, ablations=(name,))
    return found | {name: replace(request, modalities=subset) for subset, name in by_subset.items()}


def plans(
    requests: Mapping[str, Request], full: Plan, plan: Callable[[Request], Plan]
) -> tuple[dict[str, Plan], dict[str, str]]:
    """``(plans, reasons)``: what can be run, and one sentence for each variant that cannot or that
    changes nothing.
    """
    made: dict[str, Plan] = {}
    reasons: dict[str, str] = {}
    for name, request in requests.items():
        try:
            variant = plan(request)
        except RequestError as error:
            reasons[name] = str(error)
            continue
        if variant.spec.model_copy(update={"variant": ""}) == full.spec:
            reasons[name] = "changes nothing here: on these streams it is the full model"
        else:
            made[name] = variant
    return made, reasons


def lines(scored: Mapping[str, Mapping[int, Scored]], reasons: Mapping[str, str]) -> list[Line]:
    """The full model, each variant compared with it, then what has no score.

    Two variants may be one model (an order of modalities of which one is absent): what predicts the
    same to the last bit as an earlier line is no comparison of its own.
    """
    found = [Line(FULL, scored[FULL])]
    again = []
    for name, mine in scored.items():
        if name == FULL:
            continue
        twin = next((line.name for line in found if same(line.scored, mine)), None)
        if twin:
            again.append(
                Line(
                    name,
                    reason=f"predicts the same as {twin} to the last bit: on these streams they are one model",
                )
            )
        else:
            found.append(Line(name, mine, against=FULL))
    return found + again + [Line(name, reason=reason) for name, reason in reasons.items()]
