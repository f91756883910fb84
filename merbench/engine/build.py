"""A plan, a fold and a seed -> modules and data, ready to train. The test split is made only when
it is asked for, after training.
"""

from __future__ import annotations

import dataclasses
from collections import ChainMap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from merbench.api import Context, Modality, RequestError
from merbench.engine.checks.stages import check_prefixes
from merbench.engine.model.compose import Composed, Declared
from merbench.engine.model.contract import construct
from merbench.engine.model.initial_weights import load_matching, load_start, weights_of_run
from merbench.engine.model.views import Transform
from merbench.engine.plan.plan import Part, Plan
from merbench.engine.rows.missing import missing_share
from merbench.engine.rows.splits import Fold, SplitData
from merbench.engine.seeding import seed_torch
from merbench.results.seeds import derive


@dataclass
class Problem:
    """One run's modules and its train and valid rows. ``start``: where only some weights come from
    other runs, which, in a sentence.
    """

    model: nn.Module
    objectives: Mapping[str, nn.Module]
    encoders: Mapping[Modality, Any]
    train: SplitData
    valid: SplitData
    measured: Mapping[Modality, Mapping[str, float]]
    start: str = ""
    views: Mapping[str, Sequence[Transform]] = field(default_factory=dict)


def build(
    plan: Plan,
    fold: Fold,
    seed: int,
    device: torch.device,
    state: Mapping[str, Tensor] | None = None,
) -> Problem:
    """Equal arguments give equal initial weights, whatever was built before.

    ``state``: the weights of a trained model that the caller will load; otherwise a plan that
    starts from other runs loads theirs.
    """
    start = None
    if state is None and plan.start is not None:
        start = weights_of_run(plan.start, seed, fold.split.fold)
    seed_torch(derive(seed, "init", fold.split.fold), device)
    spec, parts = plan.spec, plan.parts
    train_fold = fold.for_training(spec.labels, seed, plan.recipe.unlabelled, spec.missing)
    _check_labels_left(plan, train_fold, seed)
    context = train_fold.context
    encoders = {m: _encoder(parts[f"encoder.{m}"], context, m) for m in context.streams}
    # A vocabulary that comes with weights goes before the one that an encoder learns from the rows
    # it will see, and both before the rest is built, since they decide shapes.
    if weights := state or start:
        for m, encoder in encoders.items():
            load_matching(encoder, _with_prefix(weights, f"encoders.{m}."))
    train = train_fold.data("train", encoders, device)
    # Before an encoder counts in the valid rows.
    measured = {m: _measured(plan, fold, train_fold, m, encoders[m]) for m in encoders}
    valid = fold.data("valid", encoders, device)

    # Only now: a loaded vocabulary or prepare() may have changed the text encoder.
    language_model = getattr(encoders.get("text"), "language_model", None)
    context = dataclasses.replace(context, language_model=language_model)
    model, context = _model(parts, context, encoders)
    start_note = load_start(model, start) if start is not None else ""
    model.to(device)
    objectives = {
        slot.partition(".")[2]: construct(part, context, model).to(device)
        for slot, part in parts.items()
        if slot.startswith("objective.")
    }
    check_prefixes(
        plan.recipe.name, plan.stages, plan.train, model, objectives, tuple(plan.streams)
    )
    views = {
        name: [construct(part, context) for part in transforms]
        for name, transforms in plan.views.items()
    }
    return Problem(model, objectives, encoders, train, valid, measured, start_note, views)


def _model(
    parts: Mapping[str, Part], context: Context, encoders: Mapping[Modality, Any]
) -> tuple[Any, Context]:
    """The whole model, or one composed of its parts; and the context with the label encoder's
    widths.
    """
    widths = {m: encoder.width for m, encoder in encoders.items()}
    if "model" in parts:
        model = construct(parts["model"], context, encoders)
        if not hasattr(model, "widths"):
            model.widths = widths
        return model, context
    label_encoder = None
    if "label_encoder" in parts:
        label_encoder = construct(parts["label_encoder"], context)
    query_width = None if label_encoder is None else label_encoder.width
    query_widths = getattr(label_encoder, "widths", {})
    context = dataclasses.replace(context, query_widths=query_widths)
    fusion = construct(parts["fusion"], context, widths, query_width)
    head = construct(parts["head"], context, fusion.width, query_width)
    return Composed(encoders, fusion, head, label_encoder, _declared(parts)), context


def _declared(parts: Mapping[str, Part]) -> Declared:
    provides = {
        slot: parts[slot].component.provides if slot in parts else ()
        for slot in ("fusion", "head", "label_encoder")
    }
    return Declared(parts["fusion"].component.returns, **provides)


def _encoder(part: Part, context: Context, modality: Modality) -> Any:
    # What is the same for every seed draws nothing that others would miss when it comes from the
    # cache.
    with torch.random.fork_rng(devices=(), enabled=part.fixed):
        return construct(part, context, context.streams[modality])


def _with_prefix(state: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """Those of one module, by the names that they have in it."""
    return {
        name.removeprefix(prefix): tensor
        for name, tensor in state.items()
        if name.startswith(prefix)
    }


def _check_labels_left(plan: Plan, fold: Fold, seed: int) -> None:
    if not fold.task.is_known(fold.split.train).any():
        spec = plan.spec
        raise RequestError(
            f"--labels {spec.labels} leaves no known {spec.task} to the train rows of "
            f"{spec.dataset} with seed {seed}; keep more of them"
        )


def _measured(
    plan: Plan, fold: Fold, train_fold: Fold, modality: Modality, encoder: Any
) -> Mapping[str, float]:
    """What a record says of a modality's input: what its encoder counts (by reference: clips are
    counted as they are read), values that are not finite, and the share of train rows without it.
    """
    shares: dict[str, float] = {}
    statistics = fold.statistics.get(modality)
    if statistics and statistics.not_finite:
        shares["not_finite"] = float(statistics.not_finite)
    if plan.spec.missing:
        rows = train_fold.rows("train")
        shares["missing"] = missing_share(train_fold.streams, rows)[modality]
    return ChainMap(encoder.measured, shares)
