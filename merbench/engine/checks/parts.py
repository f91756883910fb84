"""Parts fit the streams, one another, and what objectives need."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from merbench.api import (
    Component,
    Modality,
    Recipe,
    RequestError,
    Stage,
    Stream,
    TrainConfig,
)
from merbench.api.declarations.component import BY_MODALITY, LANGUAGE_MODEL, READABLE_AS
from merbench.data.streams.content_hash import KEPT
from merbench.engine.plan.plan import Part

OF_A_COMPOSED_MODEL = ("logits", "steps", "fused", "composed")
"""What objectives may need of any model that is composed of parts."""


def check_parts(
    recipe: Recipe,
    parts: Mapping[str, Part],
    streams: Mapping[Modality, Stream],
    stages: Sequence[tuple[Stage, TrainConfig]],
) -> None:
    """Parts fit the streams, one another, and what objectives need."""
    _check_encoders(parts, streams)
    _check_form(recipe, parts)
    _check_language_model(parts)
    provided = _provided(recipe, parts)
    _check_label_encoder_is_read(parts)
    for slot, part in parts.items():
        component = part.component
        if slot.startswith("objective."):
            _require_needs(component, provided)
            if "teacher" in component.needs:
                _require_teacher(component, stages)
        if len(streams) < component.min_modalities:
            raise RequestError(
                f"{component.kind} {component.name} needs at least {component.min_modalities} "
                f"modalities; there are {', '.join(streams)}"
            )
        if missing := [m for m in component.required_modalities if m not in streams]:
            raise RequestError(
                f"{component.kind} {component.name} cannot do without {', '.join(missing)}, "
                f"and this run has {', '.join(streams)}"
            )


def _check_encoders(parts: Mapping[str, Part], streams: Mapping[Modality, Stream]) -> None:
    for modality, stream in streams.items():
        encoder = parts[f"encoder.{modality}"].component
        if stream.kind not in encoder.accepts:
            raise RequestError(
                f"encoder {encoder.name} accepts {' and '.join(encoder.accepts)}, "
                f"and stream {stream.name} is {stream.kind}"
            )


def _check_language_model(parts: Mapping[str, Part]) -> None:
    """The text encoder provides the language model that parts after it need."""
    encoder = parts["encoder.text"].component if "encoder.text" in parts else None
    if encoder is not None and LANGUAGE_MODEL in encoder.provides:
        return
    for part in parts.values():
        component = part.component
        if LANGUAGE_MODEL in component.needs:
            lack = "no text is read" if encoder is None else f"encoder {encoder.name} has none"
            raise RequestError(
                f"{component.kind} {component.name} works inside a language model, and {lack}; "
                "give an encoder that has one, such as --encoder text=hf-masked"
            )


def _check_form(recipe: Recipe, parts: Mapping[str, Part]) -> None:
    """Either a fusion and a head, or a whole model; with something to learn by."""
    model = parts.get("model")
    if model is None and not ("fusion" in parts and "head" in parts):
        raise RequestError(f"model {recipe.name} is composed, so it needs a fusion and a head")
    if model and (idle := [slot for slot in ("fusion", "head", "label_encoder") if slot in parts]):
        raise RequestError(
            f"model {recipe.name} is a whole model, which takes no {' and no '.join(idle)}; "
            "leave it out"
        )
    if recipe.closed_form and not (model and hasattr(model.factory, "fit")):
        raise RequestError(
            f"model {recipe.name} is fitted in closed form, "
            "so it needs a whole model with a method fit(train, valid)"
        )
    if not recipe.closed_form and not any(slot.startswith("objective.") for slot in parts):
        raise RequestError(
            f"model {recipe.name} learns by an objective, and this run has none; "
            "give one with --part objective=NAME"
        )


def _check_label_encoder_is_read(parts: Mapping[str, Part]) -> None:
    """Some part declares that it needs or reads what the label encoder provides."""
    if "label_encoder" not in parts:
        return
    label_encoder = parts["label_encoder"].component
    provided = {"queries", *label_encoder.provides}
    readers = {
        name for part in parts.values() for name in (*part.component.needs, *part.component.reads)
    }
    if not provided & readers:
        fusion, head = parts["fusion"].component, parts["head"].component
        raise RequestError(
            f"label encoder {label_encoder.name} is read by no part of this run: fusion "
            f"{fusion.name} and head {head.name} take no label queries; leave it out, or choose "
            "parts that do"
        )


def _provided(recipe: Recipe, parts: Mapping[str, Part]) -> dict[str, str]:
    """Name -> the part that provides it to objectives; what parts of one model need of one another
    is checked on the way.
    """
    views = dict.fromkeys((f"view.{view.name}" for view in recipe.views), f"model {recipe.name}")
    teacher = {"teacher": "the training loop"}
    if "model" in parts:
        model = parts["model"].component
        if views and "steps" not in model.provides:
            raise RequestError(
                f"model {recipe.name} has views, which are made of encoded modalities, and whole "
                f"model {model.name} does not provide its steps; "
                "compose it, or have it provide them"
            )
        providers = dict.fromkeys(("logits", *model.provides), f"model {model.name}")
        return {**providers, **views, **teacher}
    provided: dict[str, str] = {}
    if "label_encoder" in parts:
        label_encoder = parts["label_encoder"].component
        names = ("queries", *label_encoder.provides)
        provided |= dict.fromkeys(names, f"label encoder {label_encoder.name}")
    fusion, head = parts["fusion"].component, parts["head"].component
    if BY_MODALITY in provided and BY_MODALITY not in (*fusion.reads, *fusion.needs):
        raise RequestError(
            f"{provided[BY_MODALITY]} has label vectors for single modalities, "
            f"and fusion {fusion.name} reads the same for all; choose another label encoder"
        )
    if not {fusion.returns, READABLE_AS.get(fusion.returns)} & set(head.accepts):
        raise RequestError(
            f"head {head.name} accepts {' and '.join(head.accepts)}, "
            f"and fusion {fusion.name} returns {fusion.returns}"
        )
    for component in (fusion, head):
        _require_needs(component, provided)
        for name in component.provides:
            if name in provided:
                raise RequestError(
                    f"{component.kind} {component.name} and {provided[name]} both provide "
                    f"{name!r}, and objectives could read one of them only; rename it in one"
                )
            provided[name] = f"{component.kind} {component.name}"
    of_any = dict.fromkeys(OF_A_COMPOSED_MODEL, "every composed model")
    return {**provided, **of_any, **views, **teacher}


def _require_needs(component: Component, provided: Mapping[str, str]) -> None:
    lacking = sorted(set(component.needs) - set(provided) - {LANGUAGE_MODEL})
    if not lacking:
        return
    part_needs = f"{component.kind} {component.name} needs"
    if lacking == ["queries"]:
        raise RequestError(
            f"{part_needs} label queries, and this run has no label encoder; give one"
        )
    if lacking[0].startswith("view."):
        raise RequestError(f"{part_needs} {', '.join(lacking)}, and the recipe has no such view")
    raise RequestError(
        f"{part_needs} {', '.join(lacking)}, and the parts before it provide "
        f"{', '.join(sorted(provided)) or 'nothing'}; choose others with --part, or, where a part "
        "of yours makes it, name it in provides of its Component"
    )


def _require_teacher(component: Component, stages: Sequence[tuple[Stage, TrainConfig]]) -> None:
    for stage, settings in stages:
        taught = not stage.objectives or component.name in stage.objectives
        if taught and not settings.ema:
            raise RequestError(
                f"objective {component.name} needs the teacher, the moving average of the weights, "
                f"and there is none in stage {stage.name}; set train.ema, such as train.ema=0.99"
            )


def check_cacheable(parts: Mapping[str, Part], streams: Mapping[Modality, Stream]) -> None:
    """The outputs of a cached encoder can be distinguished row by row."""
    for modality, stream in streams.items():
        part = parts[f"encoder.{modality}"]
        if part.fixed and stream.kind not in KEPT:
            raise RequestError(
                f"encoder {part.component.name} has a version, so that its output is kept, and the "
                f"output for stream {stream.name} of kind {stream.kind!r} cannot be: only "
                f"{' and '.join(KEPT)} are distinguished row by row; declare it without a version"
            )
