"""What settings and stages name is there: objectives, and parameters by their prefix."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from torch import nn

from merbench.api import Modality, Recipe, RequestError, Stage, TrainConfig
from merbench.engine.model.compose import PREFIXES
from merbench.engine.plan.plan import Part
from merbench.host.catalog import unknown


def check_stages(
    recipe: Recipe,
    parts: Mapping[str, Part],
    train: TrainConfig,
    stages: Sequence[tuple[Stage, TrainConfig]],
) -> None:
    """What settings and stages name is there: a stage with a slip in it would learn nothing, and
    not say so. Whether prefixes name parameters is seen when the model is built
    (``check_prefixes``).
    """
    for stage, settings in stages:
        origin = f"stage {stage.name} of model {recipe.name}"
        lost = [name for name in stage.objectives if f"objective.{name}" not in parts]
        if lost:
            raise RequestError(
                f"{origin} learns by objective {lost[0]}, and this run does not have it; "
                "name it too in --part objective=NAME,NAME"
            )
        for name in settings.objective_schedules:
            if f"objective.{name}" not in parts:
                names = [slot.partition(".")[2] for slot in parts if slot.startswith("objective.")]
                raise RequestError(
                    unknown("objective", name, names, "train.objective_schedules names it")
                )
    for prefix, origin in _prefixes(recipe.name, [stage for stage, _ in stages], train):
        fits = any(prefix.startswith(p) or p.startswith(prefix) for p in PREFIXES)
        if "model" not in parts and not fits:
            raise RequestError(unknown("beginning of parameter names", prefix, PREFIXES, origin))


def _prefixes(model: str, stages: Sequence[Stage], train: TrainConfig) -> Iterator[tuple[str, str]]:
    """(prefix of parameter names, who names it)."""
    for field in ("lr_factors", "decay_factors"):
        for prefix in getattr(train, field):
            yield prefix, f"train.{field}; encoders.text. is that of one"
    for stage in stages:
        for prefix in stage.trains:
            yield prefix, f"stage {stage.name} of model {model}"
        for field in ("lr_factors", "decay_factors"):
            for prefix in stage.settings.get(field, ()):
                yield prefix, f"{field} of stage {stage.name} of model {model}"


def check_prefixes(
    name: str,
    stages: Sequence[Stage],
    train: TrainConfig,
    model: nn.Module,
    objectives: Mapping[str, nn.Module],
    modalities: Sequence[Modality],
) -> None:
    """What names parameters by a prefix names some in the built model: those that a stage trains
    can learn, others may be frozen. Prefixes that name a modality which the run leaves out pass.
    """
    declared = list(_prefixes(name, stages, train))
    if not declared:
        return
    modules = {"": model, **{f"objective.{o}": module for o, module in objectives.items()}}
    trainable, prefixes = set(), set()
    for owner, module in modules.items():
        start = f"{owner}." if owner else ""
        prefixes |= {f"{start}{n}." for n, _ in module.named_modules() if n} | {start}
        prefixes |= {f"{start}{n}" for n, _ in module.named_buffers()}
        for parameter_name, parameter in module.named_parameters():
            prefixes.add(f"{start}{parameter_name}")
            if parameter.requires_grad:
                trainable.add(f"{start}{parameter_name}")
    left_out = {"text", "audio", "video"} - set(modalities)
    for prefix, origin in declared:
        if left_out & set(prefix.split(".")) or any(n.startswith(prefix) for n in prefixes):
            continue
        roots = sorted({n.partition(".")[0] + "." for n in prefixes if n})
        raise RequestError(unknown("beginning of parameter names", prefix, roots, origin))
    for stage in stages:
        if stage.trains and not any(n.startswith(stage.trains) for n in trainable):
            raise RequestError(
                f"stage {stage.name} of model {name} trains {', '.join(stage.trains)}, "
                "and no parameter of these can be trained in this run: they are frozen; "
                "tune a part of them, or leave the stage out (its epochs=0)"
            )
