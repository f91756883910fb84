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

    from merbench.report.scores.paired_differences import Difference, Line
    from merbench.results.records.record import Track


@dataclass(frozen=True)
class Ablated:
    """``lines``: the full model, each ablation, then what has no score and why. ``differences``:
    line -> metric -> the paired difference from the full model.
    """

    track: Track
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

    RequestError for a name that the model does not declare. Example::

        merbench.ablate("merclip", names=["no-label-encoder"], seeds=10).to_pandas()
    """
    from merbench.analyses.ablate import FULL, ablated_requests, lines, plans_of
    from merbench.host.catalog import unknown
    from merbench.report.scores.paired_differences import compare
    from merbench.report.scores.rows.pooled_seeds import by_seed

    refuse_ablations("ablate", keywords)
    bench, options = open_bench("ablate", model, dataset, dict(keywords))
    recipe = bench.catalog.recipe(model)
    declared = [a.name for a in recipe.ablations]
    for name in names:
        if name not in (*declared, "all"):
            raise RequestError(unknown("ablation", name, declared, f"ablations of {model}"))
    chosen = declared if "all" in names else list(names)
    full = bench.plan(options.request)
    requests = ablated_requests(recipe, chosen, tuple(full.streams), options.request, False)
    plan_by_name, reasons = plans_of(requests, full, bench.plan)
    scored = {
        name: by_seed(bench.run(plan, options.seeds), bench.store, plan.metrics)
        for name, plan in {FULL: full, **plan_by_name}.items()
    }
    compared = lines(scored, reasons)
    return Ablated(full.track, compared, compare(compared, full.metrics))
