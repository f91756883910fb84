"""Optimiser and schedule from the train settings."""

from __future__ import annotations

import inspect
import math
from collections.abc import Mapping, Sequence
from typing import TypeVar, cast

import torch
from torch import nn

from merbench.api import TrainConfig

Kind = TypeVar("Kind", bound=torch.optim.Optimizer)


def without_compiler(kind: type[Kind]) -> type[Kind]:
    """``kind`` less the wrappers that speak to torch's compiler.

    At an optimiser's first use they import all of that compiler, which takes as long as importing
    torch; nothing is compiled here.
    """
    methods = ("add_param_group", "zero_grad", "state_dict", "load_state_dict")
    plain = {name: inspect.unwrap(getattr(kind, name)) for name in methods}
    return cast(
        type[Kind],
        type(kind.__name__, (kind,), {**plain, "step": torch.no_grad()(inspect.unwrap(kind.step))}),
    )


SGD, Adam, AdamW = (
    without_compiler(torch.optim.SGD),
    without_compiler(torch.optim.Adam),
    without_compiler(torch.optim.AdamW),
)


def make_optimiser(
    model: nn.Module,
    objectives: Mapping[str, nn.Module],
    config: TrainConfig,
    prefixes: Sequence[str],
) -> torch.optim.Optimizer | None:
    """Groups by the longest matching prefix of ``lr_factors``; biases, norms and other vectors are
    not decayed. None: nothing to train.
    """
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    named = [
        *model.named_parameters(),
        *(
            (f"objective.{k}.{n}", p)
            for k, o in objectives.items()
            for n, p in o.named_parameters()
        ),
    ]
    for name, parameter in named:
        if not parameter.requires_grad or (prefixes and not name.startswith(tuple(prefixes))):
            continue
        factor = (
            config.lr_factors[max(fits, key=len)]
            if (fits := [p for p in config.lr_factors if name.startswith(p)])
            else 1.0
        )
        decay = config.weight_decay if parameter.ndim > 1 else 0.0
        groups.setdefault((factor, decay), []).append(parameter)
    if not groups:
        return None
    options = [
        {"params": p, "lr": config.lr * factor, "weight_decay": decay}
        for (factor, decay), p in groups.items()
    ]
    if config.optimiser == "sgd":
        return SGD(options, lr=config.lr, momentum=config.momentum)
    return (AdamW if config.optimiser == "adamw" else Adam)(options, lr=config.lr, foreach=True)


def make_schedule(
    optimiser: torch.optim.Optimizer, config: TrainConfig, updates: int
) -> torch.optim.lr_scheduler.LambdaLR | None:
    """Rate over updates; None where it does not change by the step."""
    warm = int(config.warmup * updates)
    if config.schedule in ("constant", "plateau") and not warm:
        return None

    def factor(update: int) -> float:
        if update < warm:
            return (update + 1) / (warm + 1)
        share = (update - warm) / max(1, updates - warm)
        if config.schedule == "cosine":
            return 0.5 * (1 + math.cos(math.pi * min(1.0, share)))
        return 1 - min(1.0, share) if config.schedule == "linear" else 1.0

    return torch.optim.lr_scheduler.LambdaLR(optimiser, factor)


def lower_rates(
    optimiser: torch.optim.Optimizer, schedule: torch.optim.lr_scheduler.LambdaLR | None
) -> None:
    """A tenth of every rate: what schedule ``plateau`` does after each half patience without a
    better validation score.
    """
    for group in optimiser.param_groups:
        group["lr"] *= 0.1
    if schedule:  # which sets them anew at every step
        schedule.base_lrs = [0.1 * rate for rate in schedule.base_lrs]
