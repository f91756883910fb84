"""``merbench.generalise``: trained models read out with other label words, without further
training.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

from merbench.api.errors import RequestError
from merbench.bench.keywords import refuse_ablations
from merbench.bench.options import RunKeywords
from merbench.bench.python_function import python_function
from merbench.bench.python_session import open_bench
from merbench.functions.scores_and_differences import lines_frame

if TYPE_CHECKING:
    import pandas as pd

    from merbench.bench.bench import Bench
    from merbench.data.labels.sets import LabelSet
    from merbench.report.scores.paired_differences import Difference, Line
    from merbench.results.metrics import TaskMetrics
    from merbench.results.records.record import Track


@dataclass(frozen=True)
class GeneralisedModels:
    """``test``: each model with its own labels, then with each other set. ``differences``: line ->
    metric -> the paired difference from the own labels. ``valid``: the same on validation rows.

    ``drift``: the largest difference between stored predictions and those that were read out again
    with the own labels.
    """

    track: Track
    metrics: TaskMetrics
    sets: list[LabelSet]
    test: list[Line]
    valid: list[Line]
    differences: Mapping[str, Mapping[str, Difference]]
    drift: float

    def to_pandas(self) -> pd.DataFrame:
        """One row a model and label set, with its difference from the own labels."""
        return lines_frame(self.test, self.differences, "labels")


@python_function
def generalise(
    label_sets: str | Path,
    models: Sequence[str] = ("merclip",),
    dataset: str | None = None,
    names: Sequence[str] = (),
    **keywords: Unpack[RunKeywords],
) -> GeneralisedModels:
    """Read trained ``models``, and their ablations ``names``, out with the label words of the TOML
    file ``label_sets``. What the store lacks is trained first.

    RequestError where no model can be read out with them. Example::

        merbench.generalise("sentiment-labels.toml", ["merclip"], "mosi").to_pandas()
    """
    refuse_ablations("generalise", keywords)
    bench, options = open_bench("generalise", ",".join(models), dataset, dict(keywords))
    return generalised(bench, options.seeds, Path(label_sets), names)


def generalised(
    bench: Bench, seeds: Sequence[int], label_sets: Path, ablations: Sequence[str]
) -> GeneralisedModels:
    """What the function and the command share."""
    from merbench.analyses.generalise import generalise, why_not
    from merbench.data.labels.sets import read_label_sets
    from merbench.report.scores.paired_differences import compare

    plans = bench.contenders(ablations)
    first = next(iter(plans.values()))
    sets = read_label_sets(label_sets, first.task.space)
    test: list[Line] = []
    valid: list[Line] = []
    drift = 0.0
    with bench.one_call(plan for plan in plans.values() if not why_not(plan)):
        for name, plan in plans.items():
            records = [] if why_not(plan) else bench.run(plan, seeds)
            run = (plan, bench.corpus, records, bench.store, bench.machine)
            of_model = generalise(*run, sets, name)
            test += of_model.test
            valid += of_model.valid
            drift = max(drift, of_model.drift or 0.0)
    if not any(line.against and line.scored for line in test):
        reason = next((line.reason for line in test if line.reason), "no run was finished")
        raise RequestError(
            f"none of {', '.join(plans)} can be read out with the labels of {label_sets}: {reason}"
        )
    return GeneralisedModels(
        first.track, first.metrics, list(sets), test, valid, compare(test, first.metrics), drift
    )
