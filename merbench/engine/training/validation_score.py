"""What chooses an epoch: the selecting metric over all validation rows."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from torch import nn

from merbench.api import RunError
from merbench.engine.rows.splits import SplitData
from merbench.engine.training.evaluate import predict
from merbench.results.metrics import TaskMetrics, thresholds_of


class Score:
    """The selecting metric over all validation rows at once, never a mean of batch means."""

    def __init__(
        self,
        valid: SplitData,
        metrics: TaskMetrics,
        metric: str,
        thresholds: str,
        by_length: bool = False,
    ) -> None:
        self.valid, self.metrics, self.space = valid, metrics, metrics.space
        self.by_length = by_length
        self.metric, self.policy = metrics.selecting(metric), thresholds
        self.sign = 1 if metrics[self.metric].higher_is_better else -1
        self.target = valid.target.numpy()
        self.known = None if valid.known is None else valid.known.numpy()

    def predictions(self, model: nn.Module) -> np.ndarray:
        """[N] or [N, C] of all validation rows."""
        return predict(model, self.valid, self.space, by_length=self.by_length)

    def of(self, predictions: np.ndarray) -> float:
        """nan where it is undefined."""
        cut = thresholds_of(self.space, self.policy, self.target, predictions, self.known)
        values = self.metrics.evaluate(self.target, predictions, cut, self.known, [self.metric])
        value = values[self.metric]
        return math.nan if value is None else value

    def ranked(self, value: float) -> float:
        """As a number of which the highest is best; an undefined one is below all."""
        return self.sign * value if math.isfinite(value) else -math.inf

    def entry(
        self, stage: str, epoch: int, means: Mapping[str, float], value: float
    ) -> dict[str, Any]:
        """An epoch's entry of the history."""
        return {
            "stage": stage,
            "epoch": epoch,
            "loss": dict(means),
            self.metric: value if math.isfinite(value) else None,
        }


def require_finite_losses(means: Mapping[str, float], epoch: int, stage: str) -> None:
    """RunError that names a loss term which is not finite."""
    if not_finite := [name for name, mean in means.items() if not math.isfinite(mean)]:
        raise RunError(
            f"the loss term {not_finite[0]!r} is not finite in epoch {epoch} of stage {stage!r}; "
            "lower train.lr or set train.clip_norm"
        )
