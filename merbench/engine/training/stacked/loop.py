"""The training loop of seeds that are trained together.

Each seed keeps its own order, dropout and early stopping, and batches are padded to the longest row
there is: what a seed learns does not depend on its company, but for rounding. Its losses are those
of training alone; its dropout masks too, where all rows are equally long.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from functools import partial
from typing import Any

import torch
from torch import Tensor

from merbench.api import LabelSpace, Progress, RunError, Stage, TrainConfig, own_method
from merbench.engine.plan.stages import settings_of
from merbench.engine.rows.splits import SplitData
from merbench.engine.training.checkpoint import Checkpoint
from merbench.engine.training.early_stopping import EarlyStopping
from merbench.engine.training.evaluate import require_finite_predictions
from merbench.engine.training.passes import objectives_of
from merbench.engine.training.stacked.modules import CannotStackError, StackedModules, Together
from merbench.engine.training.train import Fitted
from merbench.engine.training.validation_score import Score, require_finite_losses
from merbench.results.metrics import BUILT_IN, TaskMetrics
from merbench.results.seeds import derive


def fit_stacked(
    modules: Sequence[Together],
    train: SplitData,
    valid: SplitData,
    *,
    space: LabelSpace,
    config: TrainConfig,
    stages: Sequence[Stage],
    thresholds: str,
    seeds: Sequence[int],
    fold: int | None,
    watch: Callable[[int, dict[str, Any]], None],
    checkpoint: Checkpoint | None = None,
    metrics: TaskMetrics | None = None,
) -> list[Fitted | RunError]:
    """What ``fit`` does, for one module a seed; for a seed that fails, its error.

    CannotStackError, with the reason in a sentence, before any weight has changed. A state that
    ``checkpoint`` holds must be of ``seeds``.
    """
    _refuse(modules[0], config, stages)
    (stage,) = stages
    modules = [Together(m.model, objectives_of(stage, dict(m.objectives.items()))) for m in modules]
    config = settings_of(stage, config)
    epochs = config.epochs if stage.epochs is None else stage.epochs
    score = Score(valid, metrics or BUILT_IN.of(space), config.select, thresholds)
    batches = math.ceil(len(train) / config.batch_size)
    stack = StackedModules(modules, config, stage, batches * epochs, train.device)
    stack.try_out(train, valid, space)
    stack.draws = [
        torch.Generator(train.device).manual_seed(derive(seed, "dropout", fold)) for seed in seeds
    ]
    course = _Course(stack, modules, seeds, config.patience, stage.name, score, watch)
    first = course.resume(checkpoint) if checkpoint else 0
    for epoch in range(first, epochs):
        if not course.alive:
            break
        order_SN = _orders([seeds[i] for i in course.alive], fold, stage.name, epoch, len(train))
        with checkpoint.proving() if checkpoint else nullcontext():
            means = stack.train(train, order_SN, Progress(epoch, epochs, 0, batches, stage.name))
            course.score(epoch, means, stack.predict(valid, space))
        if checkpoint:
            checkpoint.save(partial(course.state, epoch + 1))
    return course.results


def _orders(seeds: Sequence[int], fold: int | None, stage: str, epoch: int, rows: int) -> Tensor:
    """[S, N], each seed's own as in training alone."""
    draws = [torch.Generator().manual_seed(derive(s, "order", fold, stage, epoch)) for s in seeds]
    return torch.stack([torch.randperm(rows, generator=draw) for draw in draws])


class _Course:
    """How each seed fares: its history, its best epoch, and whether it is trained on."""

    def __init__(
        self,
        stack: StackedModules,
        modules: Sequence[Together],
        seeds: Sequence[int],
        patience: int,
        stage: str,
        score: Score,
        watch: Callable[[int, dict[str, Any]], None],
    ) -> None:
        self.stack, self.modules, self.seeds = stack, modules, seeds
        self.stage, self.scoring, self.watch = stage, score, watch
        self.results: list[Fitted | RunError] = [Fitted() for _ in seeds]
        self.stopping = [EarlyStopping(patience) for _ in seeds]
        self.alive = list(range(len(seeds)))

    def score(self, epoch: int, means: Mapping[str, Tensor], predictions_SN: Tensor) -> None:
        """Each living seed's epoch; those that failed or have waited too long are left out of the
        next one.
        """
        staying = []
        for position, i in enumerate(self.alive):
            losses = {name: float(mean_S[position]) for name, mean_S in means.items()}
            try:
                self._score_one(position, i, epoch, losses, predictions_SN[position])
            except RunError as error:
                self.results[i] = error
                continue
            if not self.stopping[i].stops:
                staying.append(position)
        self.stack.keep(staying)
        self.alive = [self.alive[position] for position in staying]

    def _score_one(
        self, position: int, i: int, epoch: int, losses: dict[str, float], predictions_N: Tensor
    ) -> None:
        predictions = predictions_N.double().numpy()
        require_finite_losses(losses, epoch, self.stage)
        require_finite_predictions(predictions)
        fitted = self.results[i]
        assert isinstance(fitted, Fitted)
        value = self.scoring.of(predictions)
        fitted.history.append(self.scoring.entry(self.stage, epoch, losses, value))
        self.watch(self.seeds[i], fitted.history[-1])
        rank, first = self.scoring.ranked(value), fitted.best_epoch is None
        if self.stopping[i].keeps(rank, always=first):
            fitted.best_epoch, fitted.valid_predictions = epoch, torch.from_numpy(predictions)
            self.modules[i].load_state_dict(self.stack.state(position), strict=False)

    def state(self, epoch: int) -> dict[str, Any]:
        """Everything that ``epoch``, the next one, depends on."""
        return self.stack.state_of_all(self.modules) | {
            "seeds": self.seeds,
            "epoch": epoch,
            "alive": self.alive,
            "best": [stopping.best for stopping in self.stopping],
            "waited": [stopping.waited for stopping in self.stopping],
            "fitted": [
                str(r) if isinstance(r, RunError) else dataclasses.asdict(r) for r in self.results
            ],
        }

    def resume(self, checkpoint: Checkpoint) -> int:
        """The epoch to go on with; 0 where there is no state."""
        saved = checkpoint.load()
        if not saved:
            return 0
        with checkpoint.resuming():
            self.results = [
                RunError(fitted) if isinstance(fitted, str) else Fitted.of(fitted)
                for fitted in saved["fitted"]
            ]
            self.alive = saved["alive"]
            for stopping, best, waited in zip(
                self.stopping, saved["best"], saved["waited"], strict=True
            ):
                stopping.best, stopping.waited = best, waited
            self.stack.load(saved, self.modules)
            return int(saved["epoch"])


def _refuse(module: Together, config: TrainConfig, stages: Sequence[Stage]) -> None:
    reasons = {
        "a recipe of several stages": len(stages) > 1 or not stages[0].selects,
        "train.schedule=plateau": config.schedule == "plateau",
        "train.ema": config.ema > 0,
        "train.by_length": config.by_length,
        "train.accumulate": config.accumulate > 1,
        "train.clip_value": config.clip_value > 0,
        "train.objective_schedules": bool(config.objective_schedules),
        "an objective that keeps state": any(
            hasattr(o, "after_batch") or hasattr(o, "after_step")
            for o in module.objectives.values()
        ),
        "a read-out of the model's own": own_method(module.model, "read_out") is not None,
    }
    for reason, holds in reasons.items():
        if holds:
            raise CannotStackError(f"{reason} is for seeds that train alone")
