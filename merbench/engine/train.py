"""The one training loop. It is handed train and valid; there is no parameter through which the test
split could come in.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from merbench.api import LabelSpace, Progress, RunError, Stage, TrainConfig
from merbench.engine.checkpoint import Checkpoint
from merbench.engine.contract import output, terms
from merbench.engine.evaluate import predict
from merbench.engine.optimise import lower_rates, make_optimiser, make_schedule
from merbench.engine.splits import SplitData
from merbench.results.metrics import BUILT_IN, TaskMetrics, thresholds_of
from merbench.results.seeds import derive

Watch = Callable[[dict[str, Any]], None]
"""Called once an epoch with that epoch's entry of the history."""


@dataclass
class Fitted:
    """``history``: one entry an epoch. ``best_epoch``: of the last stage that selects; None where
    none does.

    ``rows_at_once``: where memory did not suffice for a batch, how many of its rows went through
    the model at a time.
    """

    history: list[dict[str, Any]] = field(default_factory=list)
    best_epoch: int | None = None
    rows_at_once: int | None = None


def fit(
    model: nn.Module,
    objectives: Mapping[str, nn.Module],
    train: SplitData,
    valid: SplitData,
    *,
    space: LabelSpace,
    config: TrainConfig,
    stages: Sequence[Stage] = (Stage(),),
    thresholds: str = "fixed:0.5",
    metrics: TaskMetrics | None = None,
    seed: int = 0,
    fold: int | None = None,
    watch: Watch = lambda entry: None,
    checkpoint: Checkpoint | None = None,
) -> Fitted:
    """Train in place through all stages. The model ends with the weights of the best validation
    epoch of its last selecting stage.

    Equal arguments give equal weights on one device and thread count, also when the run goes on
    from a ``checkpoint``. ``metrics``: those that may select; None = merbench's own of ``space``.
    RunError when a loss is not finite.
    """
    torch.manual_seed(derive(seed, "dropout", fold))
    saved = checkpoint.load() if checkpoint else None
    fitted = Fitted(**saved["fitted"]) if saved else Fitted()
    for number, stage in enumerate(stages):
        if saved and number < saved["stage"]:
            continue
        settings = TrainConfig(**{**config.model_dump(), **stage.settings})
        score = Score(valid, metrics or BUILT_IN.of(space), settings.select, thresholds)
        loop = _Loop(model, objectives, train, score, settings, stage, number, seed, fold, fitted)
        if saved and number == saved["stage"]:
            loop.load(saved)
        loop.run(watch, checkpoint)
    return fitted


class Score:
    """The selecting metric over all validation rows at once, never a mean of batch means; higher
    ``better`` is better.
    """

    def __init__(
        self, valid: SplitData, metrics: TaskMetrics, metric: str, thresholds: str
    ) -> None:
        self.valid, self.metrics, self.space = valid, metrics, metrics.space
        self.metric, self.policy = metrics.selecting(metric), thresholds
        self.sign = 1 if metrics[self.metric].higher_is_better else -1
        self.target = valid.target.numpy()
        self.known = None if valid.known is None else valid.known.numpy()

    def __call__(self, model: nn.Module) -> float:
        return self.of(predict(model, self.valid, self.space))

    def of(self, predictions: np.ndarray) -> float:
        """nan where it is undefined."""
        cut = thresholds_of(self.space, self.policy, self.target, predictions, self.known)
        value = self.metrics.evaluate(self.target, predictions, cut, self.known, [self.metric])[
            self.metric
        ]
        return math.nan if value is None else value

    def better(self, value: float) -> float:
        """As a number of which the highest is best."""
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
    if bad := [name for name, mean in means.items() if not math.isfinite(mean)]:
        raise RunError(
            f"the loss term {bad[0]!r} is not finite in epoch {epoch} of stage {stage!r}; lower train.lr or set train.clip_norm"
        )


class _Loop:
    """One stage: its moving parts and the loop over them."""

    def __init__(
        self, model: nn.Module, objectives: Mapping[str, nn.Module], train: SplitData, score: Score, config: TrainConfig,
        stage: Stage, number: int, seed: int, fold: int | None, fitted: Fitted,
    ) -> None:  # fmt: skip
        self.model, self.train, self.score, self.config, self.stage, self.number = (
            model,
            train,
            score,
            config,
            stage,
            number,
        )
        self.seed, self.fold, self.fitted = seed, fold, fitted
        self.objectives = {
            name: o
            for name, o in objectives.items()
            if not stage.objectives or name in stage.objectives
        }
        self.epochs = config.epochs if stage.epochs is None else stage.epochs
        self.optimiser = make_optimiser(model, self.objectives, config, stage.trains)
        self.parts: dict[str, Any] = {f"objective.{name}": o for name, o in objectives.items()}
        if self.optimiser is None or not self.epochs:
            return
        updates = (
            math.ceil(math.ceil(len(train) / config.batch_size) / config.accumulate) * self.epochs
        )
        self.schedule = make_schedule(self.optimiser, config, updates)
        self.average = (
            AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(config.ema))
            if config.ema
            else None
        )
        self.parts |= {
            "optimiser": self.optimiser,
            "schedule": self.schedule,
            "average": self.average,
        }
        self.trained = [p for group in self.optimiser.param_groups for p in group["params"]]
        self.optimiser.zero_grad(
            set_to_none=True
        )  # an earlier stage may have left gradients where it did not train
        self.mixed = torch.autocast(
            train.device.type, dtype=torch.bfloat16, enabled=config.precision == "bf16"
        )
        self.epoch, self.waited, self.best = 0, 0, -math.inf
        self.best_state: dict[str, Tensor] = {}

    def run(self, watch: Watch, checkpoint: Checkpoint | None) -> None:
        if self.optimiser is None or not self.epochs:
            return
        while self.epoch < self.epochs and self.waited < self.config.patience:
            means = self._pass()
            require_finite_losses(means, self.epoch, self.stage.name)
            scored = self.average.module if self.average else self.model
            value = self.score(scored)
            self.fitted.history.append(self.score.entry(self.stage.name, self.epoch, means, value))
            watch(self.fitted.history[-1])
            self._judge(self.score.better(value), scored)
            self.epoch += 1
            if checkpoint:
                checkpoint.save(self.state)
        self.model.load_state_dict(self.best_state, strict=False)

    def _pass(self) -> dict[str, float]:
        """One pass over the train rows; the mean of each loss term."""
        draw = torch.Generator().manual_seed(
            derive(self.seed, "order", self.fold, self.stage.name, self.epoch)
        )
        order = torch.randperm(len(self.train), generator=draw)
        batches = order.split(self.config.batch_size)
        sums: dict[str, Tensor] = {}
        self.model.train()
        for first in range(0, len(batches), self.config.accumulate):
            found, at = self._gradients(first, batches[first : first + self.config.accumulate])
            for name, term in found.items():
                sums[name] = sums[name] + term if name in sums else term
            self._step(at)
        return {name: float(value) / len(order) for name, value in sums.items()}

    def _gradients(self, first: int, group: Sequence[Tensor]) -> tuple[dict[str, Tensor], Progress]:
        """Those of the mean loss over the batches of ``group``. Where memory does not suffice, rows
        go through in smaller pieces.
        """
        while True:
            try:
                return self._backward(first, group)
            except torch.OutOfMemoryError:
                at_once = self.fitted.rows_at_once or self.config.batch_size
                if at_once == 1:
                    raise
                if stateful := [
                    name for name, o in self.objectives.items() if hasattr(o, "after_batch")
                ]:
                    raise RunError(
                        f"out of memory with {at_once} rows at a time, and objective {stateful[0]} keeps state by batch, so that a batch "
                        "cannot be cut into pieces; lower train.batch_size"
                    ) from None
                self.fitted.rows_at_once = at_once // 2
            except RuntimeError as error:
                if self.config.precision == "fp32" or "primitive" not in str(error):
                    raise
                # oneDNN, on a CPU without arithmetic of that kind.
                what = str(error).partition(". ")[0]
                raise RunError(
                    f"this processor has no bf16 for a part of the model ({what}); leave train.precision out"
                ) from error
            # Out here, where the failed pass no longer holds its tensors.
            self.optimiser.zero_grad(set_to_none=True)  # type: ignore[union-attr]
            torch.cuda.empty_cache()

    def _backward(self, first: int, group: Sequence[Tensor]) -> tuple[dict[str, Tensor], Progress]:
        sums: dict[str, Tensor] = {}
        for step, rows_B in enumerate(group, first):
            at = Progress(self.epoch, step, self.stage.name)
            for piece in rows_B.split(self.fitted.rows_at_once or len(rows_B)):
                batch = self.train.batch(piece)
                with self.mixed:
                    out = output(self.model, batch)
                    found = terms(self.objectives.items(), self.model, batch, out, at)
                    loss = torch.stack(list(found.values())).sum()
                if not loss.requires_grad:
                    raise RunError(
                        f"nothing that is trained takes part in {' + '.join(found)}, the loss of stage {at.stage!r}"
                    )
                if len(piece) < len(rows_B):
                    loss = loss * (len(piece) / len(rows_B))
                (loss / len(group)).backward()
                for name, term in found.items():
                    sums[name] = sums.get(name, 0.0) + term.detach() * len(piece)
            self._call("after_batch", batch, out, at)
        return sums, at

    def _step(self, at: Progress) -> None:
        assert self.optimiser is not None
        if self.config.clip_norm:
            nn.utils.clip_grad_norm_(self.trained, self.config.clip_norm)
        self.optimiser.step()
        self.optimiser.zero_grad(set_to_none=True)
        if self.schedule:
            self.schedule.step()
        if self.average:
            self.average.update_parameters(self.model)
        self._call("after_step", at)

    @torch.no_grad()
    def _call(self, hook: str, *given: object) -> None:
        """``after_batch`` or ``after_step`` of the objectives that have it."""
        for objective in self.objectives.values():
            if method := getattr(objective, hook, None):
                method(self.model, *given)

    def _judge(self, better: float, scored: nn.Module) -> None:
        """Keep the epoch's weights, or count how long there was none better."""
        if not self.best_state or better > self.best or not self.stage.selects:
            self.best, self.waited = better, 0
            self.best_state = {
                name: tensor.detach().clone() for name, tensor in _changing(scored).items()
            }
            self.fitted.best_epoch = self.epoch if self.stage.selects else self.fitted.best_epoch
        else:
            self.waited += 1
            if (
                self.config.schedule == "plateau"
                and self.waited % max(1, self.config.patience // 2) == 0
            ):
                lower_rates(self.optimiser, self.schedule)  # type: ignore[arg-type]

    def state(self) -> dict[str, Any]:
        """Everything that the next epoch depends on."""
        gpu = (
            torch.cuda.get_rng_state(self.train.device)
            if self.train.device.type == "cuda"
            else None
        )
        return {
            "stage": self.number, "epoch": self.epoch, "waited": self.waited, "best": self.best, "best_state": self.best_state,
            "fitted": dataclasses.asdict(self.fitted), "model": _changing(self.model),
            "parts": {name: part.state_dict() for name, part in self.parts.items() if part is not None},
            "rng": torch.get_rng_state(), "gpu_rng": gpu,
        }  # fmt: skip

    def load(self, saved: dict[str, Any]) -> None:
        """Go on where ``saved`` was made."""
        self.epoch, self.waited, self.best, self.best_state = (
            saved[k] for k in ("epoch", "waited", "best", "best_state")
        )
        self.model.load_state_dict(saved["model"], strict=False)
        for name, part in saved["parts"].items():
            self.parts[name].load_state_dict(part)
        torch.set_rng_state(saved["rng"])
        if saved["gpu_rng"] is not None:
            torch.cuda.set_rng_state(saved["gpu_rng"], self.train.device)


def _changing(model: nn.Module) -> dict[str, Tensor]:
    """The state without parameters that are never trained: towers are large."""
    state = model.state_dict(keep_vars=True)
    return {
        name: t for name, t in state.items() if t.requires_grad or not isinstance(t, nn.Parameter)
    }
