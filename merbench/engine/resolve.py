"""A request -> a plan: every default filled, every part found, everything checked against
everything, before any training.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from merbench.api import (
    Ablation,
    Config,
    Corpus,
    Lexicon,
    Modality,
    Recipe,
    RequestError,
    Stage,
    Stream,
    TrainConfig,
)
from merbench.engine import available_inputs
from merbench.engine.checks.data import (
    check_known,
    check_selecting,
    check_space,
    leaking_streams,
)
from merbench.engine.checks.parts import check_cacheable, check_parts
from merbench.engine.checks.stages import check_stages
from merbench.engine.plan import text_tower
from merbench.engine.plan.model_names import advice
from merbench.engine.plan.plan import Part, Plan, Request, Setup
from merbench.engine.plan.settings import SINGLE, Settings
from merbench.engine.plan.stages import declared_stages, settings_of, settle
from merbench.engine.plan.start_weights import check_seen
from merbench.engine.plan.task_and_protocol import Goal, choose_goal
from merbench.engine.plan.tower_rates import with_tower_rates
from merbench.engine.rows import hidden_labels, missing
from merbench.engine.run_id_and_track import contents_of, material_of, spec_of, track_of
from merbench.host.catalog import Catalog
from merbench.results.metrics import TaskMetrics, choose_thresholds
from merbench.results.records.record import INITIAL

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
    _check_start(request, recipe)
    goal = choose_goal(request, corpus)
    check_space(f"model {recipe.name}", recipe.spaces, corpus, goal.task_name)
    _check_goal(request, corpus, goal)
    ablations = [available_inputs.ablation(recipe, name) for name in request.ablations]
    offered = _offered(request, corpus, goal)
    recipe = _for_these_data(recipe, request, catalog, corpus, offered)
    ablated = [a.modalities for a in ablations if a.modalities]
    streams = available_inputs.streams_read(recipe, corpus, offered, request, ablated)

    declared = declared_stages(recipe, ablations)
    settings = _settings(recipe, ablations, request, streams, [stage.name for stage in declared])
    parts = _parts(settings, recipe, catalog)
    _check_spaces(parts, corpus, goal)
    metrics = catalog.metrics.of(goal.task.space, goal.task.rank)
    train = _train(settings, parts, metrics, corpus, goal)
    stages = settle(declared, settings, train, recipe.name)
    _check_stages(recipe, parts, train, stages, metrics, streams, goal)
    streams = {
        m: available_inputs.as_read(s, parts[f"encoder.{m}"].component) for m, s in streams.items()
    }
    check_cacheable(parts, streams)
    leaks, notes = _leaks(request, corpus, goal, streams)
    setup = Setup(recipe, parts, streams, settings.views, stages, train)
    material = material_of(request, catalog, parts, goal.task.lexicon or corpus.lexicon or lexicon)
    for part in parts.values():
        part.check(goal.task.space, material.lexicon)
    return Plan(
        recipe=recipe,
        spec=spec_of(request, corpus, goal, setup, leaks),
        track=track_of(request, corpus, goal, offered, material, leaks),
        contents=contents_of(corpus, goal, streams, material),
        parts=parts,
        stages=stages,
        train=train,
        task=goal.task,
        metrics=metrics,
        protocol=goal.protocol,
        streams=streams,
        lexicon=material.lexicon,
        turns_N2=corpus.turns_N2,
        start=request.start,
        notes=tuple(notes),
    )


def _check_start(request: Request, recipe: Recipe) -> None:
    if recipe.closed_form and request.start and not recipe.warm_start:
        raise RequestError(
            f"model {recipe.name} is fitted in closed form and starts from no weights; "
            "leave --init-from out"
        )


def _check_goal(request: Request, corpus: Corpus, goal: Goal) -> None:
    """Targets, and the policies of thresholds and of hidden labels, fit the task."""
    check_known(corpus, goal.task_name, goal.task, goal.protocol_name, goal.protocol)
    # Refuses an unknown policy.
    choose_thresholds(request.thresholds, np.zeros((1, 1)), np.zeros((1, 1)))
    hidden_labels.check(request.labels, goal.task)


def _offered(request: Request, corpus: Corpus, goal: Goal) -> dict[Modality, Stream]:
    """The streams that models may read, of which one may use fewer."""
    defaults = corpus.default_streams(goal.task_name, goal.protocol_name)
    offered = available_inputs.offered_streams(corpus, defaults, request.streams)
    if request.text_tower:
        offered = text_tower.with_transcripts(corpus, offered)
    missing.check(request.missing, offered)
    return offered


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
    recipe = available_inputs.in_case(recipe, corpus.name, kinds)
    if request.text_tower:
        recipe = text_tower.with_tower(recipe, request.text_tower, catalog)
    return recipe


def _settings(
    recipe: Recipe,
    ablations: Sequence[Ablation],
    request: Request,
    streams: Mapping[Modality, Stream],
    stages: Sequence[str],
) -> Settings:
    """The recipe's defaults, with ablations and then the user's own settings laid over them."""
    encoders: dict[str, Any] = {
        f"encoder.{m}": available_inputs.encoder_for(recipe, s) for m, s in streams.items()
    }
    settings = Settings(
        parts={**encoders, **{slot: getattr(recipe, slot) for slot in SINGLE}},
        objectives=recipe.objective,
        views={view.name: view.transforms for view in recipe.views},
        stages=tuple(stages),
    )
    settings.lay(recipe.settings, f"recipe {recipe.name}", strict=False)
    for ablation in ablations:
        settings.lay(ablation.settings, f"ablation {ablation.name}", strict=False)
    settings.lay(request.settings, "--set", strict=True, options=request.options)
    return settings


def _parts(settings: Settings, recipe: Recipe, catalog: Catalog) -> dict[str, Part]:
    def fields_of_its_encoders() -> set[str]:
        components = [catalog.component("encoder", name) for name in recipe.encoders.values()]
        return {field for c in components for field in _config_of(catalog.load(c)).model_fields}

    parts = {}
    for slot, name in settings.slots().items():
        of_slot = _KINDS[slot.partition(".")[0]]
        try:
            component = catalog.component(of_slot, name)  # type: ignore[arg-type]
        except RequestError as error:
            raise RequestError(f"{error}{advice(slot, name, catalog)}") from error
        factory = catalog.load(component)
        kind = _config_of(factory)
        if slot.startswith("encoder."):
            settings.leave_out(slot, kind, fields_of_its_encoders)
        config = settings.config(slot, kind, f"{component.kind} {component.name}")
        parts[slot] = Part(component, factory, config)
    settings.check_shared(
        [type(p.config) for slot, p in parts.items() if slot.startswith("encoder.")]
    )
    return parts


def _config_of(factory: Any) -> type[Config]:
    kind: type[Config] = getattr(factory, "Config", Config)
    return kind


def _check_spaces(parts: Mapping[str, Part], corpus: Corpus, goal: Goal) -> None:
    for part in parts.values():
        name = f"{part.component.kind} {part.component.name}"
        check_space(name, part.component.spaces, corpus, goal.task_name)


def _train(
    settings: Settings,
    parts: Mapping[str, Part],
    metrics: TaskMetrics,
    corpus: Corpus,
    goal: Goal,
) -> TrainConfig:
    """Settings of the training loop. A task that names the metric of its rank selects by it."""
    train = settings.config("train", TrainConfig, "the training loop")
    assert isinstance(train, TrainConfig)
    train = with_tower_rates(train, parts, settings.asked)
    rank = goal.task.rank
    if rank:
        metrics.selecting(rank, f"task {goal.task_name} of dataset {corpus.name}: rank")
        train = train.model_copy(update={"select": train.select or rank})
    metrics.selecting(train.select)
    return train


def _check_stages(
    recipe: Recipe,
    parts: Mapping[str, Part],
    train: TrainConfig,
    stages: Sequence[Stage],
    metrics: TaskMetrics,
    streams: Mapping[Modality, Stream],
    goal: Goal,
) -> None:
    with_settings = [(stage, settings_of(stage, train)) for stage in stages]
    check_stages(recipe, parts, train, with_settings)
    if not recipe.closed_form:
        check_selecting(with_settings, goal.task, metrics, goal.protocol_name, goal.protocol)
    check_parts(recipe, parts, streams, with_settings)


def _leaks(
    request: Request, corpus: Corpus, goal: Goal, streams: Mapping[Modality, Stream]
) -> tuple[list[str], list[str]]:
    """``(what was fitted on evaluated rows, notes)``; RequestError for a leak not allowed."""
    name, protocol = goal.protocol_name, goal.protocol
    leaks = leaking_streams(corpus, name, protocol, streams, request.allow_leak)
    seen_by_weights = request.start.seen if request.start else ()
    weights_leak, notes = check_seen(seen_by_weights, corpus, name, protocol, request.allow_leak)
    return ([*leaks, INITIAL] if weights_leak else leaks), notes
