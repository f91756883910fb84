"""The metrics of one task: which there are, which of them selects and ranks, and their values."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np

from merbench.api.declarations.metrics import MetricDef, SumMetric
from merbench.api.errors import RequestError
from merbench.api.material.types import LabelSpace
from merbench.results.metrics import checks

Values = dict[str, float | None]
Thresholds = Sequence[float] | np.ndarray | None


class TaskMetrics(Mapping[str, MetricDef]):
    """Name -> metric, in the order of tables. ``NAME.WORD`` is there too where a metric is given
    for each label. A joint task has the metrics of both of its parts.

    ``rank``: the metric that the data set ranks this task by; empty = the first of all.
    """

    def __init__(self, space: LabelSpace, metrics: Iterable[MetricDef], rank: str = "") -> None:
        self.space = space
        self._metrics = {metric.name: metric for metric in metrics}
        self._rank = rank

    def __getitem__(self, name: str) -> MetricDef:
        base, dot, word = name.partition(".")
        metric = self._metrics[base]
        if not dot:
            return metric
        if not metric.per_label or word not in self._part(metric).words:
            raise KeyError(name)
        title = f"{metric.title} ({word})"
        return replace(metric, name=name, title=title, headline=False, pair="", per_label=False)

    def __iter__(self) -> Iterator[str]:
        return iter(self._metrics)

    def __len__(self) -> int:
        return len(self._metrics)

    @property
    def ranking(self) -> str:
        """The metric that ranks models, and selects epochs where ``train.select`` is empty. The
        first of all where the one that the data set names is of no installed plugin.
        """
        return self._rank if self._rank in self else next(iter(self))

    @property
    def headline(self) -> tuple[str, ...]:
        """What a table shows, in its order; the one that ranks is always there."""
        shown = [name for name, metric in self.items() if metric.headline]
        return tuple(shown if self.ranking in shown else (self.ranking, *shown))

    def selecting(self, name: str, option: str = "train.select") -> str:
        """The metric that ``option`` names, or the one that ranks. RequestError where the task has
        no such metric.
        """
        name = name or self.ranking
        if name not in self._metrics:
            raise RequestError(
                f"{option}={name!r} is no metric of a {self.space.kind} task; there are: "
                f"{', '.join(self)}"
            )
        return name

    @property
    def missing_rank(self) -> str:
        """The metric that the data set ranks by and no installed plugin has; mostly empty."""
        return "" if self._rank in self else self._rank

    def evaluate(
        self,
        y: np.ndarray,
        p: np.ndarray,
        thresholds: Thresholds = None,
        known: np.ndarray | None = None,
        names: Iterable[str] | None = None,
    ) -> Values:
        """Metric -> value, as JSON takes it: undefined is None. ``names``: only these.

        y and p as in ``MetricDef``, but p always probabilities; of a joint task both [N, 1 + C].
        ``thresholds`` [C] or [N, C] of labels; None = .5. ``known`` bool: cells of a multilabel or
        joint task, rows [N] of another. ValueError with one sentence where they do not fit;
        RequestError where a plugin's metric raises.
        """
        (values,) = self.evaluate_runs(y, np.asarray(p)[None], [thresholds], known, names)
        return values

    def evaluate_runs(
        self,
        y: np.ndarray,
        p: np.ndarray,
        thresholds: Sequence[Thresholds],
        known: np.ndarray | None = None,
        names: Iterable[str] | None = None,
    ) -> list[Values]:
        """``evaluate`` of several runs on the same rows at once: predictions ``p`` [R, ...], and
        the ``thresholds`` of each.
        """
        chosen = [self[name] for name in (self if names is None else names)]
        values: list[Values] = [{} for _ in p]
        for part, part_y, part_p, part_known in self._parts(y, p, known):
            mine = [metric for metric in chosen if part.kind in metric.kinds]
            of_part = _of_part(
                part, mine, part_y, part_p, part_known, thresholds, by_label=names is None
            )
            for name, of_runs in of_part.items():
                for of_run, value in zip(values, of_runs, strict=True):
                    of_run[name] = value
        return values

    def definable(self, name: str, y: np.ndarray, known: np.ndarray | None = None) -> bool:
        """True if some prediction has this metric on these targets: the right one is tried."""
        right = (
            np.eye(len(self.space.words))[y]
            if self.space.kind == "class"
            else np.nan_to_num(np.asarray(y, dtype=float))
        )
        return self.evaluate(y, right, None, known, [name])[name] is not None

    def of_score(self, name: str) -> bool:
        """True if the metric looks at the score: of a joint task, any other looks at the labels."""
        return "score" in self[name].kinds

    def _part(self, metric: MetricDef) -> LabelSpace:
        return next(part for part in self.space.tasks if part.kind in metric.kinds)

    def _parts(
        self, y: np.ndarray, p: np.ndarray, known: np.ndarray | None
    ) -> Iterator[tuple[LabelSpace, np.ndarray, np.ndarray, np.ndarray | None]]:
        if self.space.parts:
            for x in (y, p[0], y if known is None else known):
                checks.require(
                    np.ndim(x) == 2,
                    "two tasks at once have a column for the score and one for each label, and "
                    f"here are {np.shape(x)}",
                )
        # The axis of runs stands last while the columns are divided.
        of_runs = (np.moveaxis(x, -1, 0) for x in self.space.split_targets(np.moveaxis(p, 0, -1)))
        targets, masks = map(self.space.split_targets, (y, known))
        return zip(self.space.tasks, targets, of_runs, masks, strict=True)


def _of_part(
    space: LabelSpace,
    metrics: Sequence[MetricDef],
    y: np.ndarray,
    p: np.ndarray,
    known: np.ndarray | None,
    thresholds: Sequence[Thresholds],
    by_label: bool,
) -> dict[str, list[float | None]]:
    """Metric -> its value for each run, of one part or of a task without parts."""
    if space.kind == "multilabel":
        y, p, decided = _labels(space, y, p, known, thresholds)
    else:
        check = checks.scores if space.kind == "score" else _checked_classes(len(space.words))
        checked = [check(*checks.known_rows(y, of_run, known)) for of_run in p]
        y, p = checked[0][0], np.stack([of_run for _, of_run in checked])
        decided = p
    values: dict[str, list[float | None]] = {}
    sums: dict[object, np.ndarray] = {}
    for metric in metrics:
        read = p if metric.reads == "probabilities" else decided
        base, _, word = metric.name.partition(".")
        if word:
            column = space.words.index(word)
            values[metric.name] = _values(metric, y, read, sums, column)
            continue
        values[metric.name] = _values(metric, y, read, sums)
        for c, label in enumerate(space.words if metric.per_label and by_label else ()):
            values[f"{base}.{label}"] = _values(metric, y, read, sums, c)
    return values


def _labels(
    space: LabelSpace,
    y: np.ndarray,
    p: np.ndarray,
    known: np.ndarray | None,
    thresholds: Sequence[Thresholds],
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Targets (nan where not known), and of each run probabilities and decisions."""
    (y, *_) = [checks.with_unknown(y, of_run, known) for of_run in p]
    p = np.asarray(p, dtype=float)
    usual = np.full(len(space.words), 0.5)
    cuts = [usual if cut is None else np.asarray(cut, float) for cut in thresholds]
    decided = [
        checks.decisions(of_run, cut, len(space.words)) for of_run, cut in zip(p, cuts, strict=True)
    ]
    return y, p, np.stack(decided)


def _checked_classes(
    count: int,
) -> Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]:
    return lambda y, p: checks.classes(y, p, count)


def _values(
    metric: MetricDef,
    y: np.ndarray,
    p: np.ndarray,
    sums: dict[object, np.ndarray],
    column: int | None = None,
) -> list[float | None]:
    """Of each run; ``column``: of this label alone. ``sums``: those that are known, by what is
    summed, for several metrics have the same.
    """
    if column is not None:
        y, p = y[:, [column]], p[:, :, [column]]
    try:
        if isinstance(metric.value, SumMetric):
            key = metric.value.rows, metric.reads, column
            if key not in sums:
                sums[key] = metric.value.sums_of_runs(y, p)
            values = metric.value.value(sums[key]).tolist()
        else:
            values = [float(metric.value(y, of_run)) for of_run in p]
    except Exception as error:
        raise RequestError(
            f"metric {metric.name} ({metric.module}) ended with {type(error).__name__}: {error}; "
            "fix it, or leave its plugin out with --no-plugin"
        ) from error
    return [value if math.isfinite(value) else None for value in values]
