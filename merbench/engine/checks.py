"""Whether what a run is made of fits together: each a RequestError, in one sentence that names both
sides, before any training.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from torch import nn

from merbench.api import (
    Component,
    Corpus,
    Modality,
    Protocol,
    Recipe,
    RequestError,
    Stage,
    Stream,
    Task,
    TrainConfig,
)
from merbench.api.declarations.component import READABLE_AS
from merbench.api.material.types import SpaceKind
from merbench.data.leaking_streams import leak_sentence, leaking_rows
from merbench.data.streams.content_hash import KEPT
from merbench.engine.model.compose import PREFIXES
from merbench.engine.plan.plan import Part
from merbench.host.catalog import unknown
from merbench.results.metrics import TaskMetrics

OF_A_COMPOSED_MODEL = ("logits", "steps", "fused", "composed")
"""What objectives may need of any model that is composed of parts."""


def check_space(who: str, spaces: Sequence[SpaceKind], corpus: Corpus, task: str) -> None:
    """``who`` is for the task's kind."""
    kind = corpus.offered[task].space.kind
    if not spaces or kind in spaces:
        return
    fitting = [name for name, other in corpus.offered.items() if other.space.kind in spaces]
    advice = f"choose --task {' or '.join(fitting)}" if fitting else "choose another model"
    raise RequestError(
        f"{who} is for a {' or '.join(spaces)} task, "
        f"and {task} of {corpus.name} is a {kind} task; {advice}"
    )


def check_known(
    corpus: Corpus, name: str, task: Task, protocol_name: str, protocol: Protocol
) -> None:
    """Every split knows both of two tasks at once: rows that know one alone are kept."""
    if task.known is None or not task.space.parts:
        return
    for part, known in zip(task.space.parts, task.space.split_targets(task.known), strict=True):
        for split in protocol.splits:
            for rows in ("train", "valid", "test"):
                if not known[getattr(split, rows)].any():
                    raise RequestError(
                        f"task {name}: no {rows} row of protocol "
                        f"{_with_fold(protocol_name, split.fold)}"
                        f" of {corpus.name} has a known {part.kind} target; "
                        "choose another --protocol, or the other task alone"
                    )


def check_parts(
    recipe: Recipe,
    parts: Mapping[str, Part],
    streams: Mapping[Modality, Stream],
    stages: Sequence[tuple[Stage, TrainConfig]],
) -> None:
    """Parts fit the streams, one another, and what objectives need."""
    _check_encoders(parts, streams)
    _check_form(recipe, parts)
    provided = _provided(recipe, parts)
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


def _check_form(recipe: Recipe, parts: Mapping[str, Part]) -> None:
    """Either a fusion and a head, or a whole model; with something to learn by."""
    whole = parts.get("model")
    if whole is None and not ("fusion" in parts and "head" in parts):
        raise RequestError(f"model {recipe.name} is composed, so it needs a fusion and a head")
    if whole and (idle := [slot for slot in ("fusion", "head", "label_encoder") if slot in parts]):
        raise RequestError(
            f"model {recipe.name} is a whole model, which takes no {' and no '.join(idle)}; "
            "leave it out"
        )
    if recipe.closed_form and not (whole and hasattr(whole.factory, "fit")):
        raise RequestError(
            f"model {recipe.name} is fitted in closed form, "
            "so it needs a whole model with a method fit(train, valid)"
        )
    if not recipe.closed_form and not any(slot.startswith("objective.") for slot in parts):
        raise RequestError(
            f"model {recipe.name} learns by an objective, and this run has none; "
            "give one with --part objective=NAME"
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
        own = dict.fromkeys(("logits", *model.provides), f"model {model.name}")
        return {**own, **views, **teacher}
    provided: dict[str, str] = {}
    if "label_encoder" in parts:
        label_encoder = parts["label_encoder"].component
        names = ("queries", *label_encoder.provides)
        provided |= dict.fromkeys(names, f"label encoder {label_encoder.name}")
    fusion, head = parts["fusion"].component, parts["head"].component
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
    lacking = sorted(set(component.needs) - set(provided))
    if not lacking:
        return
    who = f"{component.kind} {component.name} needs"
    if lacking == ["queries"]:
        raise RequestError(f"{who} label queries, and this run has no label encoder; give one")
    if lacking[0].startswith("view."):
        raise RequestError(f"{who} {', '.join(lacking)}, and the recipe has no such view")
    raise RequestError(
        f"{who} {', '.join(lacking)}, and the parts before it provide "
        f"{', '.join(sorted(provided)) or 'nothing'}; choose others with --part"
    )


def _require_teacher(component: Component, stages: Sequence[tuple[Stage, TrainConfig]]) -> None:
    for stage, settings in stages:
        taught = not stage.objectives or component.name in stage.objectives
        if taught and not settings.ema:
            raise RequestError(
                f"objective {component.name} needs the teacher, the moving average of the weights, "
                f"and there is none in stage {stage.name}; set train.ema, such as train.ema=0.99"
            )


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
        where = f"stage {stage.name} of model {recipe.name}"
        lost = [name for name in stage.objectives if f"objective.{name}" not in parts]
        if lost:
            raise RequestError(
                f"{where} learns by objective {lost[0]}, and this run does not have it; "
                "name it too in --part objective=NAME,NAME"
            )
        for name in settings.objective_schedules:
            if f"objective.{name}" not in parts:
                names = [slot.partition(".")[2] for slot in parts if slot.startswith("objective.")]
                raise RequestError(
                    unknown("objective", name, names, "train.objective_schedules names it")
                )
    for prefix, where in _prefixes(recipe.name, [stage for stage, _ in stages], train):
        fits = any(prefix.startswith(p) or p.startswith(prefix) for p in PREFIXES)
        if "model" not in parts and not fits:
            raise RequestError(unknown("beginning of parameter names", prefix, PREFIXES, where))


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
    modules = {"": model, **{f"objective.{o}": module for o, module in objectives.items()}}
    trainable, there = set(), set()
    for owner, module in modules.items():
        start = f"{owner}." if owner else ""
        there |= {f"{start}{n}." for n, _ in module.named_modules() if n} | {start}
        there |= {f"{start}{n}" for n, _ in module.named_buffers()}
        for parameter_name, parameter in module.named_parameters():
            there.add(f"{start}{parameter_name}")
            if parameter.requires_grad:
                trainable.add(f"{start}{parameter_name}")
    left_out = {"text", "audio", "video"} - set(modalities)
    for prefix, where in _prefixes(name, stages, train):
        if left_out & set(prefix.split(".")) or any(n.startswith(prefix) for n in there):
            continue
        roots = sorted({n.partition(".")[0] + "." for n in there if n})
        raise RequestError(unknown("beginning of parameter names", prefix, roots, where))
    for stage in stages:
        if stage.trains and not any(n.startswith(stage.trains) for n in trainable):
            raise RequestError(
                f"stage {stage.name} of model {name} trains {', '.join(stage.trains)}, "
                "and no parameter of these can be trained in this run: they are frozen; "
                "tune a part of them, or leave the stage out (its epochs=0)"
            )


def check_selecting(
    stages: Sequence[tuple[Stage, TrainConfig]],
    task: Task,
    metrics: TaskMetrics,
    name: str,
    protocol: Protocol,
) -> None:
    """What chooses epochs, and settings, is a number: of equal epochs that have none the first
    would be taken, and nobody would know.
    """
    chosen = {
        metrics.selecting(settings.select)
        for stage, settings in stages
        if stage.selects and not stage.within
    }
    for split in protocol.splits:
        rows = task.known_rows(split.valid)
        for metric in sorted(chosen) if len(rows) else ():
            if not metrics.definable(metric, task.target[rows], task.known_cells(rows)):
                raise RequestError(
                    f"{metric} cannot choose epochs: whatever a model predicts, it is undefined on "
                    f"the validation rows of protocol {_with_fold(name, split.fold)} (as where all "
                    "their targets are of one class); "
                    "choose another metric with --set train.select=NAME"
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


def leaking_streams(
    corpus: Corpus, name: str, protocol: Protocol, streams: Mapping[Modality, Stream], allowed: bool
) -> list[str]:
    """Names of streams that were fitted on labels of evaluated rows, where that is allowed."""
    leaks = set()
    for stream in streams.values():
        for split in protocol.splits:
            if any(leaking_rows(stream, rows) for rows in (split.valid, split.test)):
                if not allowed:
                    raise RequestError(leak_sentence(stream, corpus, name, split))
                leaks.add(stream.name)
    return sorted(leaks)


def _with_fold(protocol: str, fold: int | None) -> str:
    return protocol if fold is None else f"{protocol}, fold {fold}"
