"""A trained problem scored: on the validation rows, and once on the test rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from merbench.engine.build import Problem
from merbench.engine.plan.plan import Plan
from merbench.engine.rows.splits import Fold
from merbench.engine.training.evaluate import predict
from merbench.engine.training.train import Fitted
from merbench.results.metrics import thresholds_of

MetricValues = dict[str, float | None]


@dataclass(frozen=True)
class Scores:
    """``valid`` and ``test``: metric name -> value. ``thresholds`` of labels, chosen on the
    validation rows; None where the task has none. ``predictions`` [N] or [N, C] of the test rows.
    """

    valid: MetricValues
    test: MetricValues
    thresholds: np.ndarray | None
    predictions: np.ndarray


def score_valid(
    plan: Plan, problem: Problem, fitted: Fitted, names: Sequence[str] | None = None
) -> tuple[MetricValues, np.ndarray | None]:
    """Metrics of the validation rows, and the thresholds chosen on them. ``names``: only these."""
    space = plan.task.space
    if fitted.valid_predictions is None:
        predictions = predict(problem.model, problem.valid, space, by_length=plan.train.by_length)
    else:
        predictions = fitted.valid_predictions.numpy()
    target = problem.valid.target.numpy()
    known = None if problem.valid.known is None else problem.valid.known.numpy()
    thresholds = thresholds_of(space, plan.spec.thresholds, target, predictions, known)
    return plan.metrics.evaluate(target, predictions, thresholds, known, names), thresholds


def score(plan: Plan, problem: Problem, fitted: Fitted, fold: Fold) -> Scores:
    """The test split is read here, once."""
    valid, thresholds = score_valid(plan, problem, fitted)
    test = fold.data("test", problem.encoders, problem.train.device)
    predictions = predict(problem.model, test, fold.space, by_length=plan.train.by_length)
    known = None if test.known is None else test.known.numpy()
    on_test = plan.metrics.evaluate(test.target.numpy(), predictions, thresholds, known)
    return Scores(valid, on_test, thresholds, predictions)
