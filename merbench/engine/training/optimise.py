"""Optimiser, schedule and clipping of gradients, from the train settings."""

from __future__ import annotations

import inspect
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
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
    """Groups by the longest matching prefixes of ``lr_factors`` and ``decay_factors``; biases,
    norms and other vectors are not decayed. None: nothing to train.
    """
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for name, parameter in _named_parameters(model, objectives):
        if not parameter.requires_grad or (prefixes and not name.startswith(tuple(prefixes))):
            continue
        rate = config.lr * _by_prefix(config.lr_factors, name)
        decay = config.weight_decay * _by_prefix(config.decay_factors, name)
        groups.setdefault((rate, decay if parameter.ndim > 1 else 0.0), []).append(parameter)
    if not groups:
        return None
    options = [
        {"params": parameters, "lr": rate, "weight_decay": decay}
        for (rate, decay), parameters in groups.items()
    ]
    if config.optimiser == "sgd":
        return SGD(options, lr=config.lr, momentum=config.momentum)
    kind = AdamW if config.optimiser == "adamw" else Adam
    # Fused: one pass over the state in place of a dozen.
    return kind(options, lr=config.lr, betas=config.betas, eps=config.eps, fused=True)


def _named_parameters(
    model: nn.Module, objectives: Mapping[str, nn.Module]
) -> Iterator[tuple[str, nn.Parameter]]:
    yield from model.named_parameters()
    for kind, objective in objectives.items():
        for name, parameter in objective.named_parameters():
            yield f"objective.{kind}.{name}", parameter


def _by_prefix(factors: Mapping[str, float], name: str) -> float:
    """That of the longest prefix which ``name`` begins with; 1 where none does."""
    matching = [prefix for prefix in factors if name.startswith(prefix)]
    return factors[max(matching, key=len)] if matching else 1.0


LOWEST_OF_ONE_CYCLE, START_OF_ONE_CYCLE = 1 / 250_000, 1 / 25
"""Shares of the highest rate, as torch's ``OneCycleLR`` has them."""


def make_schedule(
    optimiser: torch.optim.Optimizer, config: TrainConfig, updates: int
) -> torch.optim.lr_scheduler.LambdaLR | None:
    """Rate over updates; None where it does not change by the step."""
    warm = int(config.warmup * updates)
    if config.schedule in ("constant", "plateau") and not warm:
        return None

    def warmed_up(update: int) -> float:
        if update < warm:
            return (update + 1) / (warm + 1)
        return _decayed(config, min(1.0, (update - warm) / max(1, updates - warm)))

    def one_cycle(update: int) -> float:
        rising = (config.warmup or 0.3) * updates - 1
        if update <= rising:
            return _between(START_OF_ONE_CYCLE, 1.0, update / rising if rising else 1.0)
        return _between(1.0, LOWEST_OF_ONE_CYCLE, (update - rising) / (updates - 1 - rising))

    factor = one_cycle if config.schedule == "one-cycle" else warmed_up
    return torch.optim.lr_scheduler.LambdaLR(optimiser, factor)


def _decayed(config: TrainConfig, share: float) -> float:
    """The factor on the rate when ``share`` of the updates after the warm-up are over."""
    if config.schedule == "cosine":
        return 0.5 * (1 + math.cos(math.pi * share))
    if config.schedule == "linear":
        return 1 - share
    return float((1 - share) ** config.power) if config.schedule == "polynomial" else 1.0


def _between(start: float, end: float, share: float) -> float:
    """On half a cosine from ``start`` to ``end``."""
    return end + (start - end) / 2 * (1 + math.cos(math.pi * min(1.0, share)))


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


def clip_gradients(parameters: Iterable[nn.Parameter], config: TrainConfig) -> None:
    """Each value to ±``clip_value``, then the norm of all to ``clip_norm``; 0 leaves them."""
    parameters = list(parameters)
    if config.clip_value:
        nn.utils.clip_grad_value_(parameters, config.clip_value)
    if config.clip_norm:
        nn.utils.clip_grad_norm_(parameters, config.clip_norm)
