"""A plan, a fold and a seed -> modules and data, ready to train. The test split is made only when
it is asked for, after training.
"""

from __future__ import annotations

import dataclasses
from collections import ChainMap
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from merbench.api import Context, Modality, RequestError
from merbench.engine.checks.stages import check_prefixes
from merbench.engine.model.compose import Composed, Declared
from merbench.engine.model.contract import made
from merbench.engine.model.views import Transform
from merbench.engine.plan.plan import Part, Plan
from merbench.engine.plan.start_weights import Start
from merbench.engine.rows.missing import missing_share
from merbench.engine.rows.splits import Fold, SplitData
from merbench.results.sealed import DamagedError, check
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
    adopted = (
        state
        if state is not None or plan.start is None
        else start_of(plan.start, seed, fold.split.fold)
    )
    torch.manual_seed(derive(seed, "init", fold.split.fold))
    spec = plan.spec
    taught = fold.for_training(spec.labels, seed, plan.recipe.unlabelled, spec.missing)
    parts, context = plan.parts, taught.context
    encoders = {m: _encoder(parts[f"encoder.{m}"], context, m) for m in context.streams}
    # A vocabulary that comes with weights goes before the one that an encoder learns from the rows
    # it will see, and both before the rest is made, since they decide shapes.
    for m, encoder in encoders.items() if adopted else ():
        adopt(
            encoder,
            {
                k.removeprefix(f"encoders.{m}."): v
                for k, v in (adopted or {}).items()
                if k.startswith(f"encoders.{m}.")
            },
        )
    train = taught.data("train", encoders, device)
    # Kept by reference: clips are counted as they are read.
    measured = {
        m: ChainMap(getattr(e, "measured", {}), _not_finite(fold, m), _missing(plan, taught, m))
        for m, e in encoders.items()
    }
    valid = fold.data("valid", encoders, device)
    for name, split in (("train", train), ("valid", valid)):
        if not len(split):
            raise RequestError(
                f"the {name} split of {plan.spec.dataset} has no row with a known "
                f"{plan.spec.task}; choose another --task or --protocol"
            )

    # Only now: an adopted vocabulary or prepare() may have changed the text encoder.
    language_model = getattr(encoders.get("text"), "language_model", None)
    context = dataclasses.replace(context, language_model=language_model)
    if "model" in parts:
        model: Any = made(parts["model"], context, encoders)
        if not hasattr(model, "widths"):
            model.widths = {m: encoder.width for m, encoder in encoders.items()}
    else:
        label_encoder = made(parts["label_encoder"], context) if "label_encoder" in parts else None
        query_width = None if label_encoder is None else label_encoder.width
        query_widths = getattr(label_encoder, "widths", {})
        context = dataclasses.replace(context, query_widths=query_widths)
        fusion = made(
            parts["fusion"], context, {m: e.width for m, e in encoders.items()}, query_width
        )
        head = made(parts["head"], context, fusion.width, query_width)
        model = Composed(encoders, fusion, head, label_encoder, _declared(parts))
    start_notes = (
        ""
        if state is not None or adopted is None
        else _begun(model, adopted, adopt(model, adopted))
    )
    model.to(device)
    objectives = {
        slot.partition(".")[2]: made(part, context, model).to(device)
        for slot, part in parts.items()
        if slot.startswith("objective.")
    }
    check_prefixes(
        plan.recipe.name, plan.stages, plan.train, model, objectives, tuple(plan.streams)
    )
    views = {
        name: [made(part, context) for part in transforms]
        for name, transforms in plan.views.items()
    }
    return Problem(model, objectives, encoders, train, valid, measured, start_notes, views)


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
        return made(part, context, context.streams[modality])


def start_of(start: Start, seed: int, fold: int | None) -> dict[str, Tensor]:
    """The weights for one run. A start without folds serves every fold. RequestError where there
    are none, or they cannot be read.
    """
    path = start.weights.get((seed, fold)) or start.weights.get((seed, None))
    if path is None:
        seeds = ", ".join(str(s) for s in sorted({s for s, _ in start.weights})) or "none"
        if any(its_seed == seed for its_seed, _ in start.weights):
            here = "this run has none" if fold is None else f"there is no fold {fold} among them"
            raise RequestError(
                f"the weights to start seed {seed} from are of folds, and {here}; "
                "start from runs of the same protocol"
            )
        raise RequestError(
            f"there are no weights to start seed {seed} from (seeds with weights: {seeds}); "
            "train that run first"
        )
    try:
        check(path)
        return load_file(path)
    except (OSError, DamagedError, SafetensorError) as error:
        raise RequestError(
            f"the weights {path} cannot be read ({error}); run what made them again with --force"
        ) from error


def adopt(module: nn.Module, state: Mapping[str, Tensor]) -> set[str]:
    """Load what the module has by the same name and in the same shape, and say what that was; the
    others stay as they are.
    """
    with suppress(RuntimeError):  # raised when all that fits is loaded
        module.load_state_dict(state, strict=False)
    # Only now: a vocabulary that comes with the state has decided shapes.
    return {
        name
        for name, tensor in module.state_dict().items()
        if name in state and state[name].shape == tensor.shape
    }


def _begun(model: nn.Module, state: Mapping[str, Tensor], loaded: set[str]) -> str:
    """Which weights a model starts with that could not take over all; empty where it could.
    RequestError where no matrix could be.
    """
    # What a closed form has learned are buffers.
    trained: dict[str, Tensor] = {
        name: p for name, p in model.named_parameters() if p.requires_grad
    }
    trained = trained or dict(model.named_buffers())
    if not any(name in loaded and p.ndim > 1 for name, p in trained.items()):
        raise RequestError(
            "none of the weights to start from has a place in this model, by its name and shape; "
            "start from runs of a model that shares "
            "parts with it, and of the same --modalities and settings"
        )
    fresh, left = sorted(trained.keys() - loaded), sorted(state.keys() - loaded)
    if not fresh and not left:
        return ""
    said = (
        f"{len(trained) - len(fresh)} of {len(trained)} trained tensors start from the weights "
        "of --init-from"
    )
    said += f"; as without it start {', '.join(_whole(fresh, model.state_dict()))}" if fresh else ""
    return said + (f"; no place here have its {', '.join(_whole(left, state))}" if left else "")


def _whole(names: Collection[str], of: Iterable[str]) -> list[str]:
    """``names``, in which a module whose tensors are all among them stands in their place."""
    others = {
        ".".join(parts[:k])
        for name in of
        if name not in names
        for parts in [name.split(".")]
        for k in range(1, len(parts) + 1)
    }
    short = (
        next(p for p in accumulate(name.split("."), "{}.{}".format) if p not in others)
        for name in names
    )
    return list(dict.fromkeys(short))


def _missing(plan: Plan, taught: Fold, modality: Modality) -> dict[str, float]:
    if not plan.spec.missing:
        return {}
    return {"missing": missing_share(taught.streams, taught.rows("train"))[modality]}


def _not_finite(fold: Fold, modality: Modality) -> dict[str, float]:
    statistics = fold.statistics.get(modality)
    return (
        {"not_finite": float(statistics.not_finite)} if statistics and statistics.not_finite else {}
    )
