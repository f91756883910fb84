"""A request -> a plan: every default filled, every part found, everything checked against
everything, before any training.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence, Set
from typing import Any

import numpy as np

from merbench.api import (
    Component,
    Config,
    Corpus,
    Lexicon,
    Modality,
    Protocol,
    Recipe,
    RequestError,
    Stream,
    Task,
    TrainConfig,
)
from merbench.api.component import READABLE_AS
from merbench.api.types import SpaceKind
from merbench.data.content_hash import KEPT
from merbench.data.folder.streams import as_words, leak_sentence, leaking_rows, revision
from merbench.engine import text_tower
from merbench.engine.compose import PREFIXES
from merbench.engine.plan import Part, Plan, Request
from merbench.engine.settings import SINGLE, Settings, configured
from merbench.engine.splits import modalities_of
from merbench.engine.start import INITIAL, check_seen
from merbench.host.catalog import Catalog, unknown
from merbench.results.metrics import TaskMetrics, choose_thresholds
from merbench.results.record import Track
from merbench.results.spec import PartSpec, RunSpec

_KINDS = {
    "fusion": "fusion",
    "head": "head",
    "label_encoder": "label-encoder",
    "model": "model",
    "encoder": "encoder",
    "objective": "objective",
}


def resolve(request: Request, catalog: Catalog, corpus: Corpus, lexicon: Lexicon | None) -> Plan:
    """RequestError, in one sentence naming both sides, where anything does not fit."""
    recipe = catalog.recipe(request.model)
    if recipe.closed_form and request.start and not recipe.warm_start:
        raise RequestError(
            f"model {recipe.name} is fitted in closed form and starts from no weights; leave --init-from out"
        )
    task_name, task = _pick("task", request.task, corpus.offered, "sentiment", corpus)
    protocol_name, protocol = _pick(
        "protocol", request.protocol, corpus.protocols, "standard", corpus
    )
    _check_space(f"model {recipe.name}", recipe.spaces, corpus, task_name)
    _check_known(corpus, task_name, task, protocol_name, protocol)
    choose_thresholds(
        request.thresholds, np.zeros((1, 1)), np.zeros((1, 1))
    )  # refuses an unknown policy
    ablations = [_ablation(recipe, name) for name in request.ablations]
    defaults = corpus.default_streams(task_name, protocol_name)
    offered = _offered(corpus, defaults, request.streams)
    if request.text_tower:
        offered = text_tower.with_transcripts(corpus, offered)
    kinds = {kind for s in offered.values() for kind in (s.kind, f"{s.modality}.{s.kind}")}
    if request.text_tower or text_tower.chosen_by_hand(request.settings, catalog):
        kinds.add(text_tower.OFFER)
    recipe = _in_case(recipe, corpus.name, kinds)
    if request.text_tower:
        recipe = text_tower.with_tower(recipe, request.text_tower, catalog)
    streams = _used(
        recipe, corpus, offered, request, [a.modalities for a in ablations if a.modalities]
    )

    settings = Settings(
        parts={
            **{f"encoder.{m}": _encoder_for(recipe, s) for m, s in streams.items()},
            **{slot: getattr(recipe, slot) for slot in SINGLE},
        },
        objectives=recipe.objective,
    )
    settings.lay(recipe.settings, f"recipe {recipe.name}", strict=False)
    for ablation in ablations:
        settings.lay(ablation.settings, f"ablation {ablation.name}", strict=False)
    settings.lay(request.settings, "--set", strict=True)

    parts = _parts(settings, catalog)
    for part in parts.values():
        who = f"{part.component.kind} {part.component.name}"
        _check_space(who, part.component.spaces, corpus, task_name)
    train = settings.config("train", TrainConfig, "the training loop")
    assert isinstance(train, TrainConfig)
    metrics = catalog.metrics.of(task.space, task.rank)
    if task.rank:
        metrics.selecting(task.rank, f"task {task_name} of dataset {corpus.name} has rank")
        train = train.model_copy(update={"select": train.select or task.rank})
    metrics.selecting(train.select)
    _check_training(recipe, parts, train)
    if not recipe.closed_form:
        _check_selecting(recipe, train, task, metrics, protocol_name, protocol)
    _check_fit(recipe, parts, streams)
    streams = {m: _as_read(s, parts[f"encoder.{m}"].component) for m, s in streams.items()}
    for m, stream in streams.items():
        if (part := parts[f"encoder.{m}"]).fixed and stream.kind not in KEPT:
            raise RequestError(
                f"encoder {part.component.name} has a version, so that its output is kept, and the output for stream {stream.name} of kind "
                f"{stream.kind!r} cannot be: only {' and '.join(KEPT)} are told apart row by row; declare it without a version"
            )
    leaks = _leaks(corpus, protocol_name, protocol, streams, request.allow_leak)
    seen = request.start.seen if request.start else ()
    begun, notes = check_seen(seen, corpus, protocol_name, protocol, request.allow_leak)
    leaks += [INITIAL] if begun else []

    lexicon = task.lexicon or corpus.lexicon or lexicon
    pretrained = {f"vectors:{f.name}": f.sha256 for f in lexicon.files} if lexicon else {}
    weights: dict[str, str] = {}
    for part in parts.values():
        weights |= part.pretrained
    tower = text_tower.tower_weights(request.text_tower, catalog) if request.text_tower else {}
    uses_vectors = any("vectors" in part.component.pretrained for part in parts.values())
    data = revision(corpus, task_name, protocol_name, [s.name for s in streams.values()])
    spec = RunSpec(
        model=recipe.name,
        variant="+".join(sorted(request.ablations)),
        dataset=corpus.name,
        task=task_name,
        protocol=protocol_name,
        streams={m: s.name for m, s in streams.items()},
        parts={
            slot: PartSpec(name=p.component.name, config=p.config.identity())
            for slot, p in parts.items()
        },
        stages=[json.loads(json.dumps(dataclasses.asdict(stage))) for stage in recipe.stages],
        train=train,
        thresholds=request.thresholds,
        allow_leak=bool(leaks),
        init_from=request.start.series if request.start else "",
    )
    track = Track(
        dataset=corpus.name,
        revision=revision(corpus, task_name, protocol_name, []),
        task=task_name,
        protocol=protocol_name,
        streams=[s.name for s in offered.values()],
        pretrained={
            **pretrained,
            **tower,
            **weights,
            **({INITIAL: request.start.series} if request.start else {}),
        },
        leaks=leaks,
    )
    contents = {"data": data, **(pretrained if uses_vectors else {}), **weights}
    return Plan(
        recipe,
        spec,
        track,
        contents,
        parts,
        recipe.stages,
        train,
        task,
        metrics,
        protocol,
        streams,
        lexicon,
        request.start,
        tuple(notes),
    )


def _pick(
    what: str, asked: str | None, offers: Mapping[str, Any], usual: str, corpus: Corpus
) -> tuple[str, Any]:
    name = asked or (usual if usual in offers else next(iter(offers)))
    if name not in offers:
        raise RequestError(unknown(what, name, list(offers), f"--{what} of dataset {corpus.name}"))
    return name, offers[name]


def _check_known(
    corpus: Corpus, name: str, task: Task, protocol_name: str, protocol: Protocol
) -> None:
    """Of two tasks at once, rows are kept that know one alone; so here it is seen that every split
    knows both.
    """
    if task.known is None or not task.space.parts:
        return
    for part, known in zip(task.space.parts, task.space.split_targets(task.known), strict=True):
        for split in protocol.splits:
            if bare := [
                which
                for which in ("train", "valid", "test")
                if not known[getattr(split, which)].any()
            ]:
                where = (
                    protocol_name if split.fold is None else f"{protocol_name}, fold {split.fold}"
                )
                raise RequestError(
                    f"task {name}: no {bare[0]} row of protocol {where} of {corpus.name} has a known {part.kind} target; "
                    "choose another --protocol, or the other task alone"
                )


def _check_space(who: str, spaces: Sequence[SpaceKind], corpus: Corpus, task: str) -> None:
    kind = corpus.offered[task].space.kind
    if not spaces or kind in spaces:
        return
    fitting = [name for name, other in corpus.offered.items() if other.space.kind in spaces]
    advice = f"choose --task {' or '.join(fitting)}" if fitting else "choose another model"
    raise RequestError(
        f"{who} is for a {' or '.join(spaces)} task, "
        f"and {task} of {corpus.name} is a {kind} task; {advice}"
    )


def _ablation(recipe: Recipe, name: str) -> Any:
    declared = {a.name: a for a in recipe.ablations}
    if name not in declared:
        raise RequestError(
            unknown("ablation", name, list(declared), f"declared by model {recipe.name}")
        )
    return declared[name]


def _offered(
    corpus: Corpus, defaults: Sequence[str], overrides: Mapping[Modality, str]
) -> dict[Modality, Stream]:
    offered = {corpus.streams[name].modality: corpus.streams[name] for name in defaults}
    for modality, name in overrides.items():
        if name not in corpus.streams:
            raise RequestError(
                unknown("stream", name, list(corpus.streams), f"--stream of dataset {corpus.name}")
            )
        if corpus.streams[name].modality != modality:
            raise RequestError(
                f"--stream {modality}={name}: that stream's modality is {corpus.streams[name].modality}"
            )
        offered[modality] = corpus.streams[name]
    return {m: offered[m] for m in modalities_of(list(offered))}


def _in_case(recipe: Recipe, dataset: str, kinds: Set[str]) -> Recipe:
    """The recipe as it is for these data: a case depends on what is offered, so that leaving a
    modality out changes nothing else.
    """
    encoders, settings = dict(recipe.encoders), dict(recipe.settings)
    for case in recipe.cases:
        if dataset in case.datasets or kinds & set(case.offers):
            encoders |= case.encoders
            settings |= case.settings
    return dataclasses.replace(recipe, encoders=encoders, settings=settings)


def _encoder_for(recipe: Recipe, stream: Stream) -> str | None:
    return recipe.encoders.get(f"{stream.modality}.{stream.kind}") or recipe.encoders.get(
        stream.kind
    )


def _used(
    recipe: Recipe,
    corpus: Corpus,
    offered: Mapping[Modality, Stream],
    request: Request,
    ablated: Sequence[tuple[Modality, ...]],
) -> dict[Modality, Stream]:
    """The streams that this model will read."""
    wanted = list(offered)
    for asked in (*ablated, *([request.modalities] if request.modalities else [])):
        for modality in asked:
            if modality not in offered:
                raise RequestError(
                    f"modality {modality!r} is not offered: dataset {corpus.name} offers {', '.join(offered)} here; choose among those"
                )
        wanted = [m for m in wanted if m in asked]
    if recipe.modalities:
        wanted = [m for m in wanted if m in recipe.modalities]
    for modality in request.streams:
        if (
            modality in wanted
            and not _encoder_for(recipe, offered[modality])
            and f"encoder.{modality}" not in request.settings
        ):
            raise RequestError(
                f"model {recipe.name} has no encoder for a stream of kind {offered[modality].kind!r} such as {offered[modality].name}; "
                f"name one with --encoder {modality}=NAME (merbench list encoders)"
            )
    used = {
        m: offered[m]
        for m in wanted
        if _encoder_for(recipe, offered[m]) or f"encoder.{m}" in request.settings
    }
    if len(used) < recipe.min_modalities:
        raise RequestError(
            f"model {recipe.name} needs at least {recipe.min_modalities} {'modality' if recipe.min_modalities == 1 else 'modalities'}"
            f"{' of ' + ', '.join(recipe.modalities) if recipe.modalities else ''}, and dataset {corpus.name} gives it "
            f"{', '.join(used) or 'none'} here ({', '.join(s.name for s in offered.values())}); choose another model, protocol or stream"
        )
    return used


def _parts(settings: Settings, catalog: Catalog) -> dict[str, Part]:
    named = {slot: name for slot, name in settings.parts.items() if name} | {
        f"objective.{o}": o for o in settings.objectives
    }
    parts = {}
    for slot, name in named.items():
        component = catalog.component(_KINDS[slot.partition(".")[0]], name)  # type: ignore[arg-type]
        factory = catalog.load(component)
        config = settings.config(
            slot, getattr(factory, "Config", Config), f"{component.kind} {component.name}"
        )
        parts[slot] = Part(component, factory, config)
    settings.check_shared(
        [type(p.config) for slot, p in parts.items() if slot.startswith("encoder.")]
    )
    return parts


def _check_fit(
    recipe: Recipe, parts: Mapping[str, Part], streams: Mapping[Modality, Stream]
) -> None:
    for modality, stream in streams.items():
        encoder = parts[f"encoder.{modality}"].component
        if stream.kind not in encoder.accepts:
            raise RequestError(
                f"encoder {encoder.name} accepts {' and '.join(encoder.accepts)}, and stream {stream.name} is {stream.kind}"
            )
    whole = parts.get("model")
    if whole is None and not ("fusion" in parts and "head" in parts):
        raise RequestError(f"model {recipe.name} is composed, so it needs a fusion and a head")
    if whole and (idle := [slot for slot in ("fusion", "head", "label_encoder") if slot in parts]):
        raise RequestError(
            f"model {recipe.name} is a whole model, which takes no {' and no '.join(idle)}; leave it out"
        )
    if recipe.closed_form and not (whole and hasattr(whole.factory, "fit")):
        raise RequestError(
            f"model {recipe.name} is fitted in closed form, so it needs a whole model with a method fit(train, valid)"
        )
    provided = _provided(parts)
    if not recipe.closed_form and not any(slot.startswith("objective.") for slot in parts):
        raise RequestError(
            f"model {recipe.name} learns by an objective, and this run has none; give one with --part objective=NAME"
        )
    for slot, part in parts.items():
        component = part.component
        if slot.startswith("objective."):
            _require_needs(component, provided)
        if len(streams) < component.min_modalities:
            raise RequestError(
                f"{component.kind} {component.name} needs at least {component.min_modalities} modalities; there are {', '.join(streams)}"
            )
        if missing := [m for m in component.required_modalities if m not in streams]:
            raise RequestError(
                f"{component.kind} {component.name} cannot do without {', '.join(missing)}, and this run has {', '.join(streams)}"
            )


def _provided(parts: Mapping[str, Part]) -> dict[str, str]:
    """Name -> the part that provides it to objectives; what parts of one model need of one another
    is checked on the way.
    """
    if "model" in parts:
        model = parts["model"].component
        return dict.fromkeys(("logits", *model.provides), f"model {model.name}")
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
    return {
        **provided,
        **dict.fromkeys(("logits", "steps", "fused", "composed"), "every composed model"),
    }


def _require_needs(component: Component, provided: Mapping[str, str]) -> None:
    lacking = sorted(set(component.needs) - set(provided))
    if not lacking:
        return
    who = f"{component.kind} {component.name} needs"
    if lacking == ["queries"]:
        raise RequestError(f"{who} label queries, and this run has no label encoder; give one")
    raise RequestError(
        f"{who} {', '.join(lacking)}, and the parts before it provide "
        f"{', '.join(sorted(provided)) or 'nothing'}; choose others with --part"
    )


def _check_training(recipe: Recipe, parts: Mapping[str, Part], train: TrainConfig) -> None:
    """What settings and stages name is there: a stage with a slip in it would learn nothing, and
    not say so.
    """
    told = [
        (prefix, "train.lr_factors; encoders.text. is that of one") for prefix in train.lr_factors
    ]
    for stage in recipe.stages:
        configured(
            TrainConfig,
            {**train.model_dump(), **stage.settings},
            "train",
            f"stage {stage.name} of model {recipe.name}",
        )
        told += [(prefix, f"stage {stage.name} of model {recipe.name}") for prefix in stage.trains]
        if lost := [name for name in stage.objectives if f"objective.{name}" not in parts]:
            raise RequestError(
                f"stage {stage.name} of model {recipe.name} learns by objective {lost[0]}, and this run does not have it; "
                "name it too in --part objective=NAME,NAME"
            )
    for prefix, where in told if "model" not in parts else ():
        if not any(prefix.startswith(known) or known.startswith(prefix) for known in PREFIXES):
            raise RequestError(unknown("beginning of parameter names", prefix, PREFIXES, where))


def _check_selecting(
    recipe: Recipe,
    train: TrainConfig,
    task: Task,
    metrics: TaskMetrics,
    name: str,
    protocol: Protocol,
) -> None:
    """What chooses epochs, and settings, is a number: of equal epochs that have none the first
    would be taken, and nobody would know.
    """
    chosen = {
        metrics.selecting(stage.settings.get("select", train.select))
        for stage in recipe.stages
        if stage.selects
    }
    for split in protocol.splits:
        by_row = task.known is not None and task.known.ndim == 1
        rows = split.valid[task.known[split.valid]] if by_row else split.valid  # type: ignore[index]
        known = None if by_row or task.known is None else task.known[rows]
        for metric in sorted(chosen) if len(rows) else ():
            if not metrics.definable(metric, task.target[rows], known):
                where = name if split.fold is None else f"{name}, fold {split.fold}"
                raise RequestError(
                    f"{metric} cannot choose epochs: whatever a model predicts, it is undefined on the validation rows of protocol {where} "
                    "(as where all their targets are of one class); choose another metric with --set train.select=NAME"
                )


def _as_read(stream: Stream, encoder: Component) -> Stream:
    """Transcripts become words where the encoder reads words."""
    return as_words(stream) if stream.kind == "strings" and "words" in encoder.accepts else stream


def _leaks(
    corpus: Corpus, name: str, protocol: Protocol, streams: Mapping[Modality, Stream], allowed: bool
) -> list[str]:
    leaks = set()
    for stream in streams.values():
        for split in protocol.splits:
            if any(leaking_rows(stream, rows) for rows in (split.valid, split.test)):
                if not allowed:
                    raise RequestError(leak_sentence(stream, corpus, name, split))
                leaks.add(stream.name)
    return sorted(leaks)
