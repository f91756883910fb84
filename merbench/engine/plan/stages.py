"""The stages of a run: the recipe's or an ablation's, with what the user set."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from typing import Any

from merbench.api import Ablation, Recipe, RequestError, Stage, TrainConfig
from merbench.engine.plan.settings import Settings, configured, laid_over
from merbench.host.catalog import unknown


def declared_stages(recipe: Recipe, ablations: Sequence[Ablation]) -> tuple[Stage, ...]:
    """Those of the recipe, or of the one ablation that replaces them."""
    replacing = [a for a in ablations if a.stages is not None]
    if len(replacing) > 1:
        names = " and ".join(a.name for a in replacing)
        raise RequestError(f"ablations {names} each replace the stages; choose one of them")
    return replacing[0].stages or () if replacing else recipe.stages


def settle(
    stages: Sequence[Stage], settings: Settings, train: TrainConfig, model: str
) -> tuple[Stage, ...]:
    """With ``stage.NAME.FIELD`` laid over them; where the user asked for ``train.epochs``, no stage
    whose epochs were not asked for has more.
    """
    _check_within(stages, model)
    return tuple(_settled(stage, settings, train, model) for stage in stages)


def _settled(stage: Stage, settings: Settings, train: TrainConfig, model: str) -> Stage:
    slot, origin = f"stage.{stage.name}", f"stage {stage.name} of model {model}"
    fields = dict(settings.fields.get(slot, {}))
    _check_settings({*stage.settings, *(fields.keys() - {"epochs"})}, stage, origin)
    epochs: int | None
    if "epochs" in fields:
        if stage.within:
            raise RequestError(
                f"{slot}.epochs: that stage has no epochs of its own, it makes a pass in each of "
                f"stage {stage.within}; set stage.{stage.within}.epochs"
            )
        epochs = _epochs(fields.pop("epochs"), slot, origin)
    else:
        epochs = None if stage.epochs is None else _epochs(stage.epochs, slot, origin)
        if epochs is not None and ("train", "epochs") in settings.asked:
            epochs = min(epochs, train.epochs)
    usual = train.model_dump()
    declared = {name: laid_over(usual.get(name), v) for name, v in stage.settings.items()}
    config = configured(
        TrainConfig, {**usual, **declared, **fields}, "train" if not fields else slot, origin
    )
    # As they were read: 1, 1.0 and "1" are one run.
    read = config.model_dump(mode="json", include=set(fields))
    return dataclasses.replace(stage, epochs=epochs, settings={**declared, **read})


def _epochs(value: Any, slot: str, origin: str) -> int:
    """Validated as train.epochs is."""
    return configured(TrainConfig, {"epochs": value}, slot, origin).epochs  # type: ignore[attr-defined, no-any-return]


def _check_settings(names: set[str], stage: Stage, origin: str) -> None:
    """Those that would be without effect there are refused."""
    if "epochs" in names:
        raise RequestError(
            f"{origin} has epochs among its settings; declare "
            f"Stage(epochs={stage.settings['epochs']!r})"
        )
    if "stack" in names:
        raise RequestError(
            f"{origin} has stack among its settings; seeds train together in all stages or in "
            "none: train.stack"
        )


def settings_of(stage: Stage, train: TrainConfig) -> TrainConfig:
    """The train settings of one stage."""
    return TrainConfig(**{**train.model_dump(), **stage.settings})


def _check_within(stages: Sequence[Stage], model: str) -> None:
    outer = [stage.name for stage in stages if not stage.within]
    for stage in stages:
        if stage.within and stage.within not in outer:
            origin = f"stage {stage.name} of model {model} runs within it"
            raise RequestError(unknown("stage", stage.within, outer, origin))
        if stage.within and stage.epochs is not None:
            raise RequestError(
                f"stage {stage.name} of model {model} runs within stage {stage.within} and has no "
                f"epochs of its own; declare those of stage {stage.within}"
            )
    if not outer:
        raise RequestError(f"model {model} has no stage that does not run within another")


def as_data(stage: Stage) -> dict[str, Any]:
    """A stage as JSON values, as a run's spec holds it: without fields that came later and are at
    their default.
    """
    data: dict[str, Any] = json.loads(json.dumps(dataclasses.asdict(stage)))
    if not stage.within:
        del data["within"]
    return data
