"""Label generalisation: a trained model read out with other label words than those it was trained
with, and no further training.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from torch import nn

from merbench.analyses.trained import Readings, trained
from merbench.api import Batch, Corpus, LabelSpace, Output, RequestError
from merbench.data.labels.sets import LabelSet
from merbench.engine.model.compose import Composed
from merbench.engine.plan.plan import Plan
from merbench.report.scores.paired_differences import Line
from merbench.results.records.record import Record
from merbench.results.store.store import Store
from merbench.runs.machine import Machine

OWN = "own labels"


class InSpace(nn.Module):
    """A composed model that answers in another label space."""

    def __init__(self, model: Composed, space: LabelSpace) -> None:
        super().__init__()
        self.model, self.space = model, space

    def forward(self, batch: Batch) -> Output:
        return self.model.decode(self.model.encode(batch), self.space)


@dataclass(frozen=True)
class Generalised:
    """``test``: the run's own label set, then each other, compared with it. ``valid``: the same
    without comparison.

    ``drift``: the largest difference between the own label set, read out again, and the stored test
    predictions; None without a score.
    """

    test: list[Line]
    valid: list[Line]
    drift: float | None


def why_not(plan: Plan) -> str:
    """Why a model cannot be read out with other labels, by its parts; empty where it can."""
    if "model" in plan.parts:
        model = plan.parts["model"].component.name
        reason = f"{model} is a whole model, without a label encoder"
    elif "label_encoder" not in plan.parts:
        reason = "it has no label encoder, and its outputs belong to its own labels"
    elif "queries" not in (head := plan.parts["head"].component).needs:
        reason = f"its head {head.name} does not look at the label words"
    else:
        return ""
    return f"cannot be read out with other labels: {reason}"


def generalise(
    plan: Plan,
    corpus: Corpus,
    records: Sequence[Record],
    store: Store,
    machine: Machine,
    sets: Sequence[LabelSet],
    name: str,
) -> Generalised:
    """``name`` goes before the names of the lines. A set that the model's label encoder cannot read
    has no score, and the reason why.
    """
    if reason := why_not(plan):
        return Generalised([Line(name, reason=reason)], [], None)
    own_labels = LabelSet(OWN, plan.task.space)
    readings = {
        (s.name, part): Readings(plan.metrics)
        for s in (own_labels, *sets)
        for part in ("test", "valid")
    }
    reasons: dict[str, str] = {}
    drift = 0.0
    for run in trained(plan, corpus, records, store, machine, encoded=True):
        assert isinstance(run.problem.model, Composed)
        for part in ("test", "valid"):
            rows = run.fold.rows(part)
            data = run.fold.data(part, run.problem.encoders, machine.device)
            for labels in (own_labels, *sets):
                model = InSpace(run.problem.model, labels.space)
                try:
                    prediction = labels.own(run.predict(data, labels.space, model))
                except RequestError as error:
                    reasons[labels.name] = str(error)
                    continue
                readings[labels.name, part].add(run.record, corpus, plan.task, rows, prediction)
        run_id = run.record.run_id
        stored = store.predictions(run_id).prediction
        again = readings[OWN, "test"].predictions(run_id).prediction
        drift = max(drift, float(np.abs(again - stored).max()))

    def line(labels: LabelSet, part: str) -> Line:
        title = f"{name} {labels.name}"
        if labels.name in reasons:
            return Line(title, reason=reasons[labels.name])
        against = f"{name} {OWN}" if labels is not own_labels and part == "test" else ""
        return Line(title, readings[labels.name, part].scored(), against)

    all_sets = (own_labels, *sets)
    return Generalised(
        [line(s, "test") for s in all_sets],
        [line(s, "valid") for s in all_sets if s.name not in reasons],
        drift,
    )
