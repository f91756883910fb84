"""What a search may change: the ``Tune`` ranges of a plan's parts and of the training loop, by the
dotted names that ``--set`` takes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import product
from random import Random
from typing import Any, TypeVar

from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.trial import Trial
from pydantic import ValidationError

from merbench.api import Config, RequestError, Tune
from merbench.api.what_fits import what_fits
from merbench.engine.plan.plan import Plan, Request
from merbench.results.spec import PartSpec

C = TypeVar("C", bound=Config)


@dataclass(frozen=True)
class Space:
    """``ranges`` and ``defaults`` by dotted name, such as ``fusion.width``. Every range holds its
    default.
    """

    ranges: Mapping[str, BaseDistribution]
    defaults: Mapping[str, Any]

    @property
    def size(self) -> float:
        """Number of combinations; inf where a range is continuous."""
        return math.prod(_count(r) for r in self.ranges.values())

    def all(self) -> list[dict[str, Any]]:
        """Every combination of a finite space, the defaults first and the others in no order, but
        always the same.
        """
        combinations = product(*(_values(r) for r in self.ranges.values()))
        every = [dict(zip(self.ranges, values, strict=True)) for values in combinations]
        other_settings = [settings for settings in every if settings != self.defaults]
        Random(0).shuffle(other_settings)
        return [dict(self.defaults), *other_settings]

    def draw(self, trial: Trial) -> None:
        """A value of each range, as the trial's sampler proposes them."""
        for name, values in self.ranges.items():
            if isinstance(values, CategoricalDistribution):
                trial.suggest_categorical(name, values.choices)
            elif isinstance(values, IntDistribution):
                trial.suggest_int(name, values.low, values.high, log=values.log)
            elif isinstance(values, FloatDistribution):
                trial.suggest_float(name, values.low, values.high, log=values.log)


def fixed_by(plan: Plan, request: Request) -> set[str]:
    """Names of the fields that the user or an ablation has set: these are not searched."""
    ablations = [a for a in plan.recipe.ablations if a.name in request.ablations]
    return {*request.settings, *(key for ablation in ablations for key in ablation.settings)}


def space_of(plan: Plan, fixed: set[str]) -> Space:
    """The ranges of the recipe's parts and, where the training loop is run, of its settings, less
    those that every stage has a value of its own for; ``Recipe.search`` goes before a part's own.
    """
    configs: dict[str, Config] = {slot: part.config for slot, part in plan.parts.items()}
    if not plan.recipe.closed_form:
        configs["train"] = plan.train
    ranges, defaults = {}, {}
    for slot, config in configs.items():
        for name, info in type(config).model_fields.items():
            tune = _range_declared(plan, slot, name)
            default = getattr(config, name)
            if tune is None or default is None or _names(slot, name) & fixed:
                continue
            if tune.modality and tune.modality not in plan.streams:
                continue
            if tune.spaces and plan.task.space.kind not in tune.spaces:
                continue
            if tune.where and getattr(config, tune.where[0]) != tune.where[1]:
                continue
            if slot == "train" and all(name in stage.settings for stage in plan.stages):
                continue
            key = f"{slot}.{name}"
            if tune.log and default <= 0:
                raise RequestError(
                    f"{key}={default:g} has no place on its log range from {tune.low:g} to "
                    f"{tune.high:g}; leave it out of the search by --set {key}={default:g}, or "
                    "give the recipe a search range with it"
                )
            ranges[key] = _distribution(tune, info.annotation is int, default)
            defaults[key] = default
    return Space(ranges, defaults)


def require_ranges(plan: Plan, request: Request) -> None:
    """RequestError where there is nothing to search."""
    if not space_of(plan, fixed_by(plan, request)).ranges:
        fixed = " that is not fixed" if request.settings or request.ablations else ""
        raise RequestError(
            f"nothing to search: {plan.recipe.name} has no setting with a range{fixed} here "
            f"(merbench show {plan.recipe.name} lists its settings)"
        )


def _names(slot: str, name: str) -> set[str]:
    """``encoder.width`` speaks of every encoder."""
    return {f"{slot}.{name}", f"{slot.partition('.')[0]}.{name}"}


def _range_declared(plan: Plan, slot: str, name: str) -> Tune | None:
    """``Recipe.search`` goes before the part's own."""
    config = plan.train if slot == "train" else plan.parts[slot].config
    for key in sorted(_names(slot, name), key=len, reverse=True):
        if key in plan.recipe.search:
            return plan.recipe.search[key]
    return type(config).tunable().get(name)


def settle(plan: Plan, settings: Mapping[str, Any]) -> Plan:
    """The plan that ``resolve`` makes with these settings on top, without reading the data again.
    RequestError where they do not fit.
    """
    parts, train = dict(plan.parts), plan.train
    fields: dict[str, dict[str, Any]] = {}
    for key, value in settings.items():
        slot, _, name = key.rpartition(".")
        fields.setdefault(slot, {})[name] = value
    for slot, values in fields.items():
        if slot == "train":
            train = _with(train, values, slot)
        else:
            parts[slot] = replace(parts[slot], config=_with(parts[slot].config, values, slot))
    value_of_setting = {
        slot: PartSpec(name=p.component.name, config=p.config.identity())
        for slot, p in parts.items()
    }
    return replace(
        plan,
        parts=parts,
        train=train,
        spec=plan.spec.model_copy(update={"parts": value_of_setting, "train": train}),
    )


def _with(config: C, values: Mapping[str, Any], slot: str) -> C:
    try:
        return type(config)(**{**config.model_dump(), **values})
    except ValidationError as error:
        values_text = ", ".join(f"{slot}.{name}={value!r}" for name, value in values.items())
        raise RequestError(
            f"{values_text} do not fit one another: {what_fits(error.errors()[0])}"
        ) from error


def _distribution(tune: Tune, whole: bool, default: Any) -> BaseDistribution:
    """Widened to hold the default, which is always tried first."""
    if tune.choices:
        extra = [] if default in tune.choices else [default]
        return CategoricalDistribution([*tune.choices, *extra])
    assert tune.low is not None and tune.high is not None
    low, high = min(tune.low, default), max(tune.high, default)
    if whole:
        return IntDistribution(int(low), int(high), log=tune.log)
    return FloatDistribution(low, high, log=tune.log)


def _values(distribution: BaseDistribution) -> list[Any]:
    if isinstance(distribution, CategoricalDistribution):
        return list(distribution.choices)
    if isinstance(distribution, IntDistribution):
        return list(range(distribution.low, distribution.high + 1))
    assert isinstance(distribution, FloatDistribution) and distribution.single()
    return [distribution.low]


def _count(distribution: BaseDistribution) -> float:
    continuous = isinstance(distribution, FloatDistribution) and not distribution.single()
    return math.inf if continuous else len(_values(distribution))
