"""The one training loop. It is handed train and valid; there is no parameter through which the test split could come in."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from merbench.api import LabelSpace, Progress, RequestError, RunError, Stage, TrainConfig
from merbench.engine.evaluate import predict
from merbench.engine.optimise import lower_rates, make_optimiser, make_schedule
from merbench.engine.splits import SplitData
from merbench.results.metrics import METRICS, choose_thresholds, default_metric, evaluate
from merbench.results.seeds import derive

Watch = Callable[[dict[str, Any]], None]
"""Called once an epoch with that epoch's entry of the history."""


@dataclass
class Fitted:
    """``history``: one entry an epoch. ``best_epoch``: of the last stage that selects; None where none does."""

    history: list[dict[str, Any]] = field(default_factory=list)
    best_epoch: int | None = None


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
    seed: int = 0,
    fold: int | None = None,
    watch: Watch = lambda entry: None,
) -> Fitted:
    """Train in place through all stages. The model ends with the weights of the best validation epoch of its last selecting stage.

    Equal arguments give equal weights on one device and thread count. RunError when a loss is not finite.
    """
    torch.manual_seed(derive(seed, "dropout", fold))
    fitted = Fitted()
    for stage in stages:
        settings = TrainConfig(**{**config.model_dump(), **stage.settings})
        chosen = {name: o for name, o in objectives.items() if not stage.objectives or name in stage.objectives}
        score = _Score(valid, space, settings.select or default_metric(space.kind), thresholds)
        _run_stage(model, chosen, train, score, settings, stage, seed, fold, fitted, watch)
    return fitted


class _Score:
    """The selecting metric over all validation rows at once, never a mean of batch means; higher ``better`` is better."""

    def __init__(self, valid: SplitData, space: LabelSpace, metric: str, thresholds: str) -> None:
        if metric not in METRICS or space.kind not in METRICS[metric].kinds:
            known = ", ".join(name for name, info in METRICS.items() if space.kind in info.kinds)
            raise RequestError(f"train.select={metric!r} is no metric of a {space.kind} task; there are: {known}")
        self.valid, self.space, self.metric, self.policy = valid, space, metric, thresholds
        self.sign = 1 if METRICS[metric].higher_is_better else -1
        self.target = valid.target.numpy()
        self.known = None if valid.known is None else valid.known.numpy()

    def __call__(self, model: nn.Module) -> float:
        predictions = predict(model, self.valid, self.space)
        cut = choose_thresholds(self.policy, self.target, predictions, self.known) if self.space.kind == "multilabel" else None
        value = evaluate(self.space, self.target, predictions, cut, self.known)[self.metric]
        return math.nan if value is None else value


def _run_stage(
    model: nn.Module, objectives: Mapping[str, nn.Module], train: SplitData, score: _Score, config: TrainConfig,
    stage: Stage, seed: int, fold: int | None, fitted: Fitted, watch: Watch,
) -> None:  # fmt: skip
    epochs = config.epochs if stage.epochs is None else stage.epochs
    size, total = config.batch_size, len(train)
    batches = math.ceil(total / size)
    optimiser = make_optimiser(model, objectives, config, stage.trains)
    if optimiser is None or not epochs:
        return
    updates = math.ceil(batches / config.accumulate) * epochs
    schedule = make_schedule(optimiser, config, updates)
    average = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(config.ema)) if config.ema else None
    trained = [p for group in optimiser.param_groups for p in group["params"]]
    best, best_state, waited = -math.inf, None, 0
    mixed = torch.autocast(train.device.type, dtype=torch.bfloat16, enabled=config.precision == "bf16")

    for epoch in range(epochs):
        draw = torch.Generator().manual_seed(derive(seed, "order", fold, stage.name, epoch))
        order = torch.randperm(total, generator=draw)
        sums: dict[str, Tensor] = {}
        model.train()
        for step in range(batches):
            batch = train.batch(order[step * size : (step + 1) * size])
            at = Progress(epoch, step, stage.name)
            with mixed:
                out = model(batch)
                terms = {f"{name}.{k}": v for name, objective in objectives.items() for k, v in objective(model, batch, out, at).items()}
                loss = torch.stack(list(terms.values())).sum()
            first = step - step % config.accumulate
            (loss / min(config.accumulate, batches - first)).backward()
            for name, term in terms.items():
                sums[name] = sums.get(name, 0.0) + term.detach() * len(batch)
            if step + 1 == batches or (step + 1) % config.accumulate == 0:
                if config.clip_norm:
                    nn.utils.clip_grad_norm_(trained, config.clip_norm)
                optimiser.step()
                optimiser.zero_grad(set_to_none=True)
                if schedule:
                    schedule.step()
                if average:
                    average.update_parameters(model)
                with torch.no_grad():
                    for objective in objectives.values():
                        if after_step := getattr(objective, "after_step", None):
                            after_step(model, batch, out, at)

        means = {name: float(value) / total for name, value in sums.items()}
        if bad := [name for name, value in means.items() if not math.isfinite(value)]:
            raise RunError(
                f"the loss term {bad[0]!r} is not finite in epoch {epoch} of stage {stage.name!r}; lower train.lr or set train.clip_norm"
            )
        scored = average.module if average else model
        value = score(scored)
        better = score.sign * value if math.isfinite(value) else -math.inf
        entry = {"stage": stage.name, "epoch": epoch, "loss": means, score.metric: value if math.isfinite(value) else None}
        fitted.history.append(entry)
        watch(entry)
        if best_state is None or better > best or not stage.selects:
            best, waited, best_state = better, 0, _copy(scored)
            fitted.best_epoch = epoch if stage.selects else fitted.best_epoch
        else:
            waited += 1
            if config.schedule == "plateau" and waited % max(1, config.patience // 2) == 0:
                lower_rates(optimiser)
            if waited >= config.patience:
                break
    assert best_state is not None
    model.load_state_dict(best_state)


def _copy(model: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}
