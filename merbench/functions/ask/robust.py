"""``merbench.robust``: trained models on test rows that lack modalities, or are damaged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import TYPE_CHECKING, Literal, Unpack

from merbench.api.errors import RequestError, RunError
from merbench.bench.options import RunKeywords
from merbench.bench.python_function import python_function
from merbench.bench.python_session import open_bench

if TYPE_CHECKING:
    import pandas as pd

    from merbench.analyses.missing_rates import RateCurve
    from merbench.analyses.robust import Case
    from merbench.bench.bench import Bench
    from merbench.engine.plan.plan import Plan
    from merbench.report.scores.paired_differences import Difference, Line
    from merbench.results.records.record import Track

Kind = Literal["drop", "mask"]
TWO_QUESTIONS = "--corrupt and --rates are two questions; ask one of them"


@dataclass(frozen=True)
class Robust:
    """``curves``: every metric of every model over the rates at which modalities are missing; with
    ``corrupt``, ``lines`` (each model as it is, then each damage) and their paired ``differences``.
    """

    track: Track
    curves: list[RateCurve]
    lines: list[Line]
    differences: Mapping[str, Mapping[str, Difference]]

    def to_pandas(self) -> pd.DataFrame:
        """Of curves one row a model, metric and missing modality, a column a rate, ``area`` and
        ``spread``; of lines one row a damage with its mean test metrics.
        """
        import pandas as pd

        from merbench.report.scores.rows.pooled_seeds import summary

        if self.curves:
            return pd.DataFrame([_row(curve) for curve in self.curves])
        rows = [
            {"test rows": line.name, "reason": line.reason}
            | {name: score.mean for name, score in summary(line.scored).items()}
            for line in self.lines
        ]
        return pd.DataFrame(rows)


def _row(curve: RateCurve) -> dict[str, str | float | None]:
    row: dict[str, str | float | None] = {
        "model": curve.model,
        "missing": curve.missing,
        "metric": curve.metric,
    }
    row |= {f"{point.strength:g}": point.mean for point in curve.points}
    return row | {"area": curve.area, "spread": curve.spread}


@python_function
def robust(
    models: Sequence[str] = ("merclip",),
    dataset: str | None = None,
    corrupt: Sequence[str] = (),
    rates: Kind | None = None,
    **keywords: Unpack[RunKeywords],
) -> Robust:
    """Score trained ``models`` on test rows that lack each modality, and all of them, at rates 0 to
    .9 (``rates="mask"``: steps or words of it); or, with ``corrupt``, on rows damaged as
    ``--corrupt`` says. What the store lacks is trained first.

    RequestError in one sentence for what does not fit. Example::

        merbench.robust(["tfn", "lnln"], "mosi", missing={"any": "0:0.9"}).to_pandas()
    """
    from merbench.analyses.robust import parse, title
    from merbench.bench.bench import label
    from merbench.report.scores.paired_differences import compare

    if corrupt and rates:
        raise RequestError(TWO_QUESTIONS)
    cases = list({title(case): case for text in corrupt for case in parse(text)}.values())
    bench, options = open_bench("robust", ",".join(models), dataset, dict(keywords))
    own_plans = [bench.plan(replace(options.request, model=model)) for model in options.models]
    plans = {label(plan): plan for plan in own_plans}
    first = next(iter(plans.values()))
    if not corrupt:
        return Robust(first.track, missing(bench, plans, rates or "drop"), [], {})
    lines = list(chain.from_iterable(damaged(bench, plans, cases).values()))
    return Robust(first.track, [], lines, compare(lines, first.metrics))


def damaged(
    bench: Bench, plans: Mapping[str, Plan], cases: Sequence[Case]
) -> dict[str, list[Line]]:
    """Name of each of ``plans`` -> it as it is, then on rows damaged as each of ``cases`` says.
    RequestError where none of these fits any of them.
    """
    from merbench.analyses.robust import require_a_fit, robust

    require_a_fit(plans.values(), cases)
    lines_by_name = {}
    with bench.one_call(plans.values()):
        for name, plan in plans.items():
            records = bench.run(plan, bench.options.seeds)
            run = (plan, bench.corpus, records, bench.store, bench.machine)
            lines_by_name[name] = robust(*run, cases, name)
    lines = list(chain.from_iterable(lines_by_name.values()))
    if not any(line.against for line in lines):
        raise RequestError(next(line.reason for line in lines if line.reason))
    return lines_by_name


def missing(bench: Bench, plans: Mapping[str, Plan], kind: Kind) -> list[RateCurve]:
    """Every metric of each of ``plans`` over the rates at which modalities, or steps of them, are
    missing. RequestError where none of them reads what could be missing.
    """
    from merbench.analyses.missing_rates import over_rates

    curves: list[RateCurve] = []
    n_finished = 0
    with bench.one_call(plans.values()):
        for name, plan in plans.items():
            records = bench.run(plan, bench.options.seeds)
            n_finished += sum(record.status == "done" for record in records)
            run = (plan, bench.corpus, records, bench.store, bench.machine)
            curves += over_rates(*run, kind, name)
    if not n_finished:
        raise RunError(f"no run of {', '.join(plans)} is finished, so nothing can be compared")
    if not curves:
        raise RequestError(
            f"none of {', '.join(plans)} reads a stream of which test rows could lack "
            f"{'steps' if kind == 'mask' else 'anything'}; name another --model"
        )
    return curves
