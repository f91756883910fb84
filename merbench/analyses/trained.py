"""Finished runs with their trained models, and what these predict under other conditions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from torch import nn

from merbench.api import Corpus, LabelSpace, Task
from merbench.api.errors import RequestError
from merbench.engine.build import Problem
from merbench.engine.plan.plan import Plan
from merbench.engine.restore import restore
from merbench.engine.rows.splits import Fold, SplitData
from merbench.engine.training.evaluate import predict
from merbench.report.scores.rows.pooled_seeds import Scored, by_seed
from merbench.results.metrics import TaskMetrics
from merbench.results.records.predictions import Predictions
from merbench.results.records.record import Record
from merbench.results.store.store import Store
from merbench.runs.machine import Machine
from merbench.runs.run import run


@dataclass(frozen=True)
class Trained:
    """A finished run: its record, its fold of the data and its model with the trained weights."""

    record: Record
    fold: Fold
    problem: Problem

    def predict(
        self, data: SplitData, space: LabelSpace, model: nn.Module | None = None
    ) -> np.ndarray:
        """As ``predict`` of its ``model``, or of another, in batches as those of the run's own
        scores: of rows that are as they were, the last digits are those of the run.
        """
        by_length = self.record.spec.train.by_length
        return predict(model or self.problem.model, data, space, by_length=by_length)


def trained(
    plan: Plan,
    corpus: Corpus,
    records: Sequence[Record],
    store: Store,
    machine: Machine,
    *,
    encoded: bool = False,
) -> Iterator[Trained]:
    """The finished ones of the plan's runs, one after the other. A run whose weights the store
    lacks is trained again.

    ``encoded``: what frozen encoders make of the rows comes from the machine's cache, for callers
    that leave the streams as they are.
    """
    read = machine.encoded(plan) if encoded else plan
    folds: dict[int | None, Fold] = {}
    for stored in records:
        if stored.status != "done":
            continue
        record = stored
        if not store.has_weights(record.run_id):
            (record,) = run(
                plan, corpus, [record.seed], store, machine, folds=[record.fold], force=True
            )
            if record.status != "done":
                continue
        if record.fold not in folds:
            split = next((s for s in plan.protocol.splits if s.fold == record.fold), None)
            if split is None:
                raise RequestError(
                    f"run {record.run_id} is of fold {record.fold}, which its protocol does not "
                    "have; run it again with --force"
                )
            folds[record.fold] = Fold(read.streams, read.task, split, read.lexicon, read.turns_N2)
        fold = folds[record.fold]
        yield Trained(
            record,
            fold,
            restore(read, fold, record.seed, store.weights(record.run_id), machine.device),
        )


@dataclass
class Readings:
    """Predictions that finished runs make under another condition, scored as theirs are: a seed's
    folds are pooled.
    """

    metrics: TaskMetrics
    records: list[Record] = field(default_factory=list)
    by_run: dict[str, Predictions] = field(default_factory=dict)

    def add(
        self, record: Record, corpus: Corpus, task: Task, rows: np.ndarray, predictions: np.ndarray
    ) -> None:
        """``rows``: row numbers in ``corpus``; ``predictions`` [N] or [N, C] in the task's own
        labels.
        """
        self.records.append(record)
        protocol = record.spec.protocol
        self.by_run[record.run_id] = Predictions.of(corpus, protocol, task, rows, predictions)

    def predictions(self, run_id: str) -> Predictions:
        return self.by_run[run_id]

    def scored(self) -> dict[int, Scored]:
        return by_seed(self.records, self, self.metrics)
