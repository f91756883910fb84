"""Every metric there is: merbench's own, and those of plugins, which enter by the same door."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import combinations

from merbench.api.declarations.metrics import MetricDef
from merbench.api.errors import RequestError
from merbench.api.material.types import LabelSpace
from merbench.results.metrics.acc2_to_acc7 import CLASSES
from merbench.results.metrics.classification import CLASS_METRICS
from merbench.results.metrics.multilabel import LABEL_METRICS
from merbench.results.metrics.regression import ERRORS
from merbench.results.metrics.sims import SIMS
from merbench.results.metrics.task import TaskMetrics


class Registry:
    """Raises RequestError where two metrics of one kind of task have the same name."""

    def __init__(self, metrics: Iterable[MetricDef]) -> None:
        self.metrics = tuple(metrics)
        for a, b in combinations(self.metrics, 2):
            if a.name == b.name and set(a.kinds) & set(b.kinds):
                raise RequestError(
                    f"metric {b.name!r} of {b.module} has the name of one of {a.module}; give it "
                    "another"
                )

    def with_plugins(self, metrics: Iterable[MetricDef]) -> Registry:
        return Registry((*self.metrics, *metrics))

    def of(self, space: LabelSpace, rank: str = "", every_span: bool = False) -> TaskMetrics:
        """Those that apply to a task. ``rank`` as in ``TaskMetrics``. ``every_span``: also metrics
        of scores in another range.
        """
        chosen = [
            metric
            for part in space.tasks
            for metric in self.metrics
            if part.kind in metric.kinds and (every_span or _spans(metric, part))
        ]
        return TaskMetrics(space, chosen, rank)


def _spans(metric: MetricDef, space: LabelSpace) -> bool:
    if metric.spans is None or space.anchors is None:
        return True
    return metric.spans == (space.anchors[0], space.anchors[-1])


BUILT_IN = Registry((*ERRORS, *SIMS, *CLASSES, *CLASS_METRICS, *LABEL_METRICS))
