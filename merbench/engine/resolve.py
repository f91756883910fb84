"""A request -> a plan: every default filled, every part found, everything checked against
everything, before any training.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from merbench.api import (
    Config,
    Corpus,
    Lexicon,
    Modality,
    Recipe,
    RequestError,
    Stream,
    TrainConfig,
)
from merbench.data.revision import revision
from merbench.engine import offers
from merbench.engine.checks.data import (
    check_known,
    check_selecting,
    check_space,
    leaking_streams,
)
from merbench.engine.checks.parts import check_cacheable, check_parts
from merbench.engine.checks.stages import check_stages
from merbench.engine.plan import text_tower
from merbench.engine.plan.pick import pick
from merbench.engine.plan.plan import Part, Plan, Request
from merbench.engine.plan.settings import SINGLE, Settings
from merbench.engine.plan.stages import as_data, declared_stages, settings_of, settle
from merbench.engine.plan.start_weights import check_seen
from merbench.engine.plan.tower_rates import with_tower_rates
from merbench.engine.rows import hidden_labels, missing
from merbench.host.catalog import Catalog
from merbench.results.metrics import choose_thresholds
from merbench.results.record import INITIAL, Track
from merbench.results.spec import PartSpec, RunSpec

_KINDS = {
    "fusion": "fusion",
    "head": "head",
    "label_encoder": "label-encoder",
    "model": "model",
    "encoder": "encoder",
    "objective": "objective",
    "view": "view",
}


def resolve(request: Request, catalog: Catalog, corpus: Corpus, lexicon: Lexicon | None) -> Plan:
    """RequestError, in one sentence naming both sides, where anything does not fit."""
    recipe = catalog.recipe(request.model)
    if recipe.closed_form and request.start and not recipe.warm_start:
        raise RequestError(
            f"model {recipe.name} is fitted in closed form and starts from no weights; "
            "leave --init-from out"
        )
    task_name, task = pick("task", request.task, corpus.offered, "sentiment", corpus)
    protocol_name, protocol = pick(
        "protocol", request.protocol, corpus.protocols, "standard", corpus
    )
    check_space(f"model {recipe.name}", recipe.spaces, corpus, task_name)
    check_known(corpus, task_name, task, protocol_name, protocol)
    # Refuses an unknown policy.
    choose_thresholds(request.thresholds, np.zeros((1, 1)), np.zeros((1, 1)))
    hidden_labels.check(request.labels, task)
    ablations = [offers.ablation(recipe, name) for name in request.ablations]
    defaults = corpus.default_streams(task_name, protocol_name)
    offered = offers.offered_streams(corpus, defaults, request.streams)
    if request.text_tower:
        offered = text_tower.with_transcripts(corpus, offered)
    missing.check(request.missing, offered)
    recipe = _for_these_data(recipe, request, catalog, corpus, offered)
    ablated = [a.modalities for a in ablations if a.modalities]
    streams = offers.streams_read(recipe, corpus, offered, request, ablated)

    declared = declared_stages(recipe, ablations)
    settings = _settings(recipe, streams, [stage.name for stage in declared])
    settings.lay(recipe.settings, f"recipe {recipe.name}", strict=False)
    for ablation in ablations:
        settings.lay(ablation.settings, f"ablation {ablation.name}", strict=False)
    settings.lay(request.settings, "--set", strict=True)

    parts = _parts(settings, catalog)
    for part in parts.values():
        who = f"{part.component.kind} {part.component.name}"
        check_space(who, part.component.spaces, corpus, task_name)
    train = settings.config("train", TrainConfig, "the training loop")
    assert isinstance(train, TrainConfig)
    train = with_tower_rates(train, parts, settings.asked)
    metrics = catalog.metrics.of(task.space, task.rank)
    if task.rank:
        metrics.selecting(task.rank, f"task {task_name} of dataset {corpus.name} has rank")
        train = train.model_copy(update={"select": train.select or task.rank})
    metrics.selecting(train.select)
    stages = settle(declared, settings, train, recipe.name)
    with_settings = [(stage, settings_of(stage, train)) for stage in stages]
    check_stages(recipe, parts, train, with_settings)
    if not recipe.closed_form:
        check_selecting(with_settings, task, metrics, protocol_name, protocol)
    check_parts(recipe, parts, streams, with_settings)
    streams = {m: offers.as_read(s, parts[f"encoder.{m}"].component) for m, s in streams.items()}
    check_cacheable(parts, streams)
    leaks = leaking_streams(corpus, protocol_name, protocol, streams, request.allow_leak)
    seen = request.start.seen if request.start else ()
    leaked, notes = check_seen(seen, corpus, protocol_name, protocol, request.allow_leak)
    leaks += [INITIAL] if leaked else []

    lexicon = task.lexicon or corpus.lexicon or lexicon
    vectors = {f"vectors:{f.name}": f.sha256 for f in lexicon.files} if lexicon else {}
    weights: dict[str, str] = {}
    for part in parts.values():
        weights |= part.pretrained
    tower = text_tower.tower_weights(request.text_tower, catalog) if request.text_tower else {}
    uses_vectors = any("vectors" in part.component.pretrained for part in parts.values())
    data = revision(corpus, task_name, protocol_name, [s.name for s in streams.values()])
    spec = RunSpec(
        model=recipe.name,
        ablation="+".join(sorted(request.ablations)),
        dataset=corpus.name,
        task=task_name,
        protocol=protocol_name,
        streams={m: s.name for m, s in streams.items()},
        parts={
            slot: PartSpec(name=p.component.name, config=p.config.identity())
            for slot, p in parts.items()
        },
        stages=[as_data(stage) for stage in stages],
        train=train,
        views={name: list(transforms) for name, transforms in settings.views.items()},
        labels=request.labels,
        missing=missing.canonical(request.missing),
        thresholds=request.thresholds,
        allow_leak=bool(leaks),
        init_from=request.start.series if request.start else "",
    )
    initial = {INITIAL: request.start.series} if request.start else {}
    track = Track(
        dataset=corpus.name,
        revision=revision(corpus, task_name, protocol_name, []),
        task=task_name,
        protocol=protocol_name,
        streams=[s.name for s in offered.values()],
        pretrained={**vectors, **tower, **weights, **initial},
        leaks=leaks,
        labels=request.labels,
        missing=missing.canonical(request.missing),
    )
    return Plan(
        recipe=recipe,
        spec=spec,
        track=track,
        contents={"data": data, **(vectors if uses_vectors else {}), **weights},
        parts=parts,
        stages=stages,
        train=train,
        task=task,
        metrics=metrics,
        protocol=protocol,
        streams=streams,
        lexicon=lexicon,
        turns_N2=corpus.turns_N2,
        start=request.start,
        notes=tuple(notes),
    )


def _for_these_data(
    recipe: Recipe,
    request: Request,
    catalog: Catalog,
    corpus: Corpus,
    offered: Mapping[Modality, Stream],
) -> Recipe:
    """With its cases for what is offered, and the text tower that was asked for."""
    kinds = {kind for s in offered.values() for kind in (s.kind, f"{s.modality}.{s.kind}")}
    if request.text_tower or text_tower.chosen_by_hand(request.settings, catalog):
        kinds.add(text_tower.OFFER)
    recipe = offers.in_case(recipe, corpus.name, kinds)
    if request.text_tower:
        recipe = text_tower.with_tower(recipe, request.text_tower, catalog)
    return recipe


def _settings(recipe: Recipe, streams: Mapping[Modality, Stream], stages: list[str]) -> Settings:
    encoders: dict[str, Any] = {
        f"encoder.{m}": offers.encoder_for(recipe, s) for m, s in streams.items()
    }
    return Settings(
        parts={**encoders, **{slot: getattr(recipe, slot) for slot in SINGLE}},
        objectives=recipe.objective,
        views={view.name: view.transforms for view in recipe.views},
        stages=tuple(stages),
    )


def _parts(settings: Settings, catalog: Catalog) -> dict[str, Part]:
    parts = {}
    for slot, name in settings.slots().items():
        of_slot = _KINDS[slot.partition(".")[0]]
        component = catalog.component(of_slot, name)  # type: ignore[arg-type]
        factory = catalog.load(component)
        kind = getattr(factory, "Config", Config)
        config = settings.config(slot, kind, f"{component.kind} {component.name}")
        parts[slot] = Part(component, factory, config)
    settings.check_shared(
        [type(p.config) for slot, p in parts.items() if slot.startswith("encoder.")]
    )
    return parts
