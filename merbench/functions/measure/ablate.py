"""``merbench.ablate``: a model and its ablations on the same seeds, in pairs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Unpack

from merbench.api.errors import RequestError
from merbench.bench.keywords import refuse_ablations
from merbench.bench.options import RunKeywords
from merbench.bench.python_function import python_function
from merbench.bench.python_session import open_bench
from merbench.functions.scores_and_differences import lines_frame

if TYPE_CHECKING:
    import pandas as pd

    from merbench.api.declarations.recipe import Recipe
    from merbench.bench.bench import Bench
    from merbench.report.scores.paired_differences import Difference, Line
    from merbench.results.metrics import TaskMetrics
    from merbench.results.records.record import Track


@dataclass(frozen=True)
class Ablated:
    """``lines``: the full model, each ablation, then what has no score and why. ``differences``:
    line -> metric -> the paired difference from the full model.
    """

    track: Track
    metrics: TaskMetrics
    lines: list[Line]
    differences: Mapping[str, Mapping[str, Difference]]

    def to_pandas(self) -> pd.DataFrame:
        """One row a line, with its difference from the full model."""
        return lines_frame(self.lines, self.differences, "ablation")


@python_function
def ablate(
    model: str = "merclip",
    dataset: str | None = None,
    names: Sequence[str] = ("all",),
    **keywords: Unpack[RunKeywords],
) -> Ablated:
    """Train the full model and its ablations ``names`` on the same seeds, and compare them in
    pairs.

    RequestError for a name that the model does not declare, or that these data do not allow.
    Example::

        merbench.ablate("merclip", names=["no-label-encoder"], seeds=10).to_pandas()
    """
    from merbench.host.catalog import unknown

    refuse_ablations("ablate", keywords)
    bench, _ = open_bench("ablate", model, dataset, dict(keywords))
    declared = [a.name for a in bench.catalog.recipe(model).ablations]
    for name in names:
        if name not in (*declared, "all"):
            raise RequestError(unknown("ablation", name, declared, f"ablations of {model}"))
    return ablated(bench, names)


def ablated(bench: Bench, names: Sequence[str], all_subsets: bool = False) -> Ablated:
    """What the function and the command share. ``names``: declared ones, or ``all``, which none
    means too unless ``all_subsets`` of the modalities are asked for.
    """
    from merbench.analyses.ablate import FULL, ablated_requests, lines, plans_of
    from merbench.report.scores.paired_differences import compare
    from merbench.report.scores.rows.pooled_seeds import by_seed

    options = bench.options
    recipe = bench.catalog.recipe(options.model)
    chosen = _chosen(recipe, names, all_subsets)
    full = bench.plan(options.request)
    requests = ablated_requests(recipe, chosen, tuple(full.streams), options.request, all_subsets)
    if not requests:
        raise RequestError(
            f"{options.model} reads {' + '.join(full.streams) or 'nothing'} here, "
            "which has no smaller subset; offer more streams"
        )
    plan_by_name, reasons = plans_of(requests, full, bench.plan)
    if unusable := [name for name in names if name in reasons]:
        raise RequestError(f"ablation {unusable[0]}: {reasons[unusable[0]]}")
    scored = {}
    plan_by_name = {FULL: full, **plan_by_name}
    with bench.one_call(plan_by_name.values()):
        for name, plan in plan_by_name.items():
            title = "" if name == FULL else f"{options.model} {name}"
            records = bench.run(plan, options.seeds, name=title)
            scored[name] = by_seed(records, bench.store, plan.metrics)
    compared = lines(scored, reasons)
    return Ablated(full.track, full.metrics, compared, compare(compared, full.metrics))


def _chosen(recipe: Recipe, names: Sequence[str], all_subsets: bool) -> Sequence[str]:
    if not recipe.ablations and not all_subsets:
        raise RequestError(
            f"model {recipe.name} declares no ablations; "
            "give --modalities all-subsets, or another model (merbench list models)"
        )
    if "all" in names or not (names or all_subsets):
        return [ablation.name for ablation in recipe.ablations]
    return names
