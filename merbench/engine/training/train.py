"""The one training loop. It is given train and valid; there is no parameter through which the test
split could come in.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from merbench.api import LabelSpace, Stage, TrainConfig
from merbench.engine.model.views import Transform
from merbench.engine.model.weight_average import MovingAverage, changing
from merbench.engine.plan.stages import settings_of
from merbench.engine.rows.splits import SplitData
from merbench.engine.seeding import seed_torch
from merbench.engine.training.checkpoint import Checkpoint
from merbench.engine.training.early_stopping import EarlyStopping
from merbench.engine.training.optimise import lower_rates
from merbench.engine.training.passes import Learning, Passes
from merbench.engine.training.validation_score import Score, require_finite_losses
from merbench.results.metrics import BUILT_IN, TaskMetrics
from merbench.results.seeds import derive

Watch = Callable[[dict[str, Any]], None]
"""Called once an epoch with that epoch's entry of the history."""


@dataclass
class Fitted:
    """``history``: one entry an epoch. ``best_epoch``: of the last stage that selects; None where
    none does.

    ``rows_at_once``: where memory did not suffice for a batch, how many of its rows went through
    the model at a time. ``valid_predictions`` [N] or [N, C], float64: of the validation rows, by
    the weights that the model ends with; None where the loop made none.
    """

    history: list[dict[str, Any]] = field(default_factory=list)
    best_epoch: int | None = None
    rows_at_once: int | None = None
    valid_predictions: Tensor | None = field(default=None, compare=False)

    @classmethod
    def of(cls, saved: Mapping[str, Any]) -> Fitted:
        """What ``dataclasses.asdict`` made of one. KeyError where a field is not there."""
        return cls(**{field.name: saved[field.name] for field in dataclasses.fields(cls)})


def fit(
    model: nn.Module,
    objectives: Mapping[str, nn.Module],
    train: SplitData,
    valid: SplitData,
    *,
    space: LabelSpace,
    config: TrainConfig,
    stages: Sequence[Stage] = (Stage(),),
    views: Mapping[str, Sequence[Transform]] | None = None,
    thresholds: str = "fixed:0.5",
    metrics: TaskMetrics | None = None,
    seed: int = 0,
    fold: int | None = None,
    watch: Watch = lambda entry: None,
    checkpoint: Checkpoint | None = None,
) -> Fitted:
    """Train in place through all stages. The model ends with the weights of the best validation
    epoch of its last selecting stage.

    Equal arguments give equal weights on one device and thread count, also when the run continues
    from a ``checkpoint``. RunError when a loss is not finite, StartAnewError when the checkpoint is
    of no use.
    """
    seed_torch(derive(seed, "dropout", fold), train.device)
    saved = checkpoint.load() if checkpoint else None
    fitted, first = Fitted(), 0
    if saved and checkpoint:
        with checkpoint.resuming():
            fitted, first = Fitted.of(saved["fitted"]), int(saved["stage"])
    learning = Learning(model, objectives, train, seed, fold, views or {}, fitted.rows_at_once)
    for number, stage in enumerate(stages):
        if stage.within or number < first:
            continue
        settings = settings_of(stage, config)
        score = Score(
            valid,
            metrics or BUILT_IN.of(space),
            settings.select,
            thresholds,
            settings.by_length,
        )
        inner = [(s, settings_of(s, config)) for s in stages if s.within == stage.name]
        loop = _Loop(learning, score, settings, stage, number, fitted, inner)
        if saved and checkpoint and number == first:
            with checkpoint.resuming():
                loop.load(saved)
        loop.run(watch, checkpoint)
    return fitted


class _Loop:
    """One stage, with the stages that run within it: passes, scoring, selection."""

    def __init__(
        self,
        learning: Learning,
        score: Score,
        config: TrainConfig,
        stage: Stage,
        number: int,
        fitted: Fitted,
        inner: Sequence[tuple[Stage, TrainConfig]],
    ) -> None:
        self.learning, self.score, self.config = learning, score, config
        self.stage, self.number, self.fitted = stage, number, fitted
        self.model = learning.model
        self.epochs = config.epochs if stage.epochs is None else stage.epochs
        self.passes = Passes(learning, config, stage, self.epochs)
        self.inner = [Passes(learning, settings, s, self.epochs) for s, settings in inner]
        self.average = MovingAverage(self.model, config.ema) if config.ema else None
        self.epoch, self.stopping = 0, EarlyStopping(config.patience)
        self.best_state: dict[str, Tensor] = {}

    def run(self, watch: Watch, checkpoint: Checkpoint | None) -> None:
        if self.passes.optimiser is None or not self.epochs:
            return
        self.learning.average = self.average
        while self.epoch < self.epochs and not self.stopping.stops:
            with checkpoint.proving() if checkpoint else nullcontext():
                self._run_epoch(watch)
            if checkpoint:
                checkpoint.save(self.state)
        self.model.load_state_dict(self.best_state, strict=False)

    def _run_epoch(self, watch: Watch) -> None:
        means = self._pass()
        require_finite_losses(means, self.epoch, self.stage.name)
        scored = self.average.model if self.average else self.model
        predictions = self.score.predictions(scored)
        value = self.score.of(predictions)
        self.fitted.history.append(self.score.entry(self.stage.name, self.epoch, means, value))
        watch(self.fitted.history[-1])
        self._judge(self.score.ranked(value), scored, torch.from_numpy(predictions))
        self.epoch += 1

    def _pass(self) -> dict[str, float]:
        """Those of the inner stages, each with its own optimiser, then the stage's own; the mean of
        each loss term.
        """
        means: dict[str, float] = {}
        for passes in self.inner:
            if passes.optimiser is not None:
                inner = passes.run(self.epoch)
                means |= {f"{passes.stage.name}/{name}": mean for name, mean in inner.items()}
        means |= self.passes.run(self.epoch)
        self.fitted.rows_at_once = self.learning.rows_at_once
        return means

    def _judge(self, rank: float, scored: nn.Module, predictions: Tensor) -> None:
        """Keep the epoch's weights and predictions, or count how long there was none better."""
        if self.stopping.keeps(rank, always=not self.best_state or not self.stage.selects):
            self.best_state = {
                name: tensor.detach().clone()
                for name, tensor in changing(self.model, scored).items()
            }
            self.fitted.valid_predictions = predictions
            self.fitted.best_epoch = self.epoch if self.stage.selects else self.fitted.best_epoch
        else:
            half = max(1, self.config.patience // 2)
            if self.config.schedule == "plateau" and self.stopping.waited % half == 0:
                assert self.passes.optimiser is not None
                lower_rates(self.passes.optimiser, self.passes.schedule)

    def _parts(self) -> dict[str, Any]:
        """What has a state, by name."""
        parts: dict[str, Any] = {f"objective.{n}": o for n, o in self.learning.objectives.items()}
        parts |= self.passes.parts() | ({"average": self.average} if self.average else {})
        for passes in self.inner:
            if passes.optimiser is not None:
                parts |= {f"{name} of {passes.stage.name}": p for name, p in passes.parts().items()}
        return parts

    def state(self) -> dict[str, Any]:
        """Everything that the next epoch depends on."""
        device = self.learning.train.device
        return {
            "stage": self.number,
            "epoch": self.epoch,
            "waited": self.stopping.waited,
            "best": self.stopping.best,
            "best_state": self.best_state,
            "fitted": dataclasses.asdict(self.fitted),
            "model": changing(self.model),
            "parts": {name: part.state_dict() for name, part in self._parts().items()},
            "rng": torch.get_rng_state(),
            "gpu_rng": torch.cuda.get_rng_state(device) if device.type == "cuda" else None,
        }

    def load(self, saved: dict[str, Any]) -> None:
        """Go on where ``saved`` was made."""
        self.epoch, self.best_state = int(saved["epoch"]), saved["best_state"]
        self.stopping.waited, self.stopping.best = int(saved["waited"]), float(saved["best"])
        # It is needed at the end: whether it fits is asked now.
        self.model.load_state_dict(self.best_state, strict=False)
        self.model.load_state_dict(saved["model"], strict=False)
        parts = self._parts()
        for name, state in saved["parts"].items():
            parts[name].load_state_dict(state)
        torch.set_rng_state(saved["rng"])
        if saved["gpu_rng"] is not None:
            torch.cuda.set_rng_state(saved["gpu_rng"], self.learning.train.device)
