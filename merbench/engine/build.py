"""A plan, a fold and a seed -> modules and data, ready to train. The test split is made only when it is asked for, after training."""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from merbench.api import Context, Modality, RequestError
from merbench.engine.compose import Composed
from merbench.engine.resolve import Part, Plan, Start
from merbench.engine.splits import Fold, SplitData
from merbench.results.seeds import derive


@dataclass
class Problem:
    """One run's modules and its train and valid rows."""

    model: nn.Module
    objectives: Mapping[str, nn.Module]
    encoders: Mapping[Modality, Any]
    train: SplitData
    valid: SplitData
    measured: Mapping[Modality, Mapping[str, float]]


def build(plan: Plan, fold: Fold, seed: int, device: torch.device, state: Mapping[str, Tensor] | None = None) -> Problem:
    """Equal arguments give equal initial weights, whatever was built before.

    ``state``: the weights of a trained model that the caller will load; otherwise a plan that starts from other runs loads theirs.
    """
    adopted = state if state is not None or plan.start is None else start_of(plan.start, seed, fold.split.fold)
    torch.manual_seed(derive(seed, "init", fold.split.fold))
    parts, context = plan.parts, fold.context
    encoders = {m: _encoder(parts[f"encoder.{m}"], context, m) for m in context.streams}
    # A vocabulary that comes with weights goes before the one that an encoder learns from the rows it will see, and both before the rest
    # is made, since they decide shapes.
    for m, encoder in encoders.items() if adopted else ():
        adopt(encoder, {k.removeprefix(f"encoders.{m}."): v for k, v in (adopted or {}).items() if k.startswith(f"encoders.{m}.")})
    train = fold.data("train", encoders, device)
    # Kept by reference: clips are counted as they are read.
    measured = {m: ChainMap(getattr(e, "measured", {}), _not_finite(fold, m)) for m, e in encoders.items()}
    valid = fold.data("valid", encoders, device)
    for name, split in (("train", train), ("valid", valid)):
        if not len(split):
            raise RequestError(
                f"the {name} split of {plan.spec.dataset} has no row with a known {plan.spec.task}; choose another --task or --protocol"
            )

    if "model" in parts:
        model: nn.Module = parts["model"].factory(parts["model"].config, context, encoders)
    else:
        label_encoder = parts["label_encoder"].factory(parts["label_encoder"].config, context) if "label_encoder" in parts else None
        query_width = None if label_encoder is None else label_encoder.width
        fusion = parts["fusion"].factory(parts["fusion"].config, context, {m: e.width for m, e in encoders.items()}, query_width)
        head = parts["head"].factory(parts["head"].config, context, fusion.width, query_width)
        model = Composed(encoders, fusion, head, label_encoder)
    if state is None and adopted is not None and not adopt(model, adopted):
        raise RequestError("none of the weights to start from has a place in this model; start from runs of the same model")
    model.to(device)
    objectives = {
        slot.partition(".")[2]: part.factory(part.config, context, model).to(device)
        for slot, part in parts.items()
        if slot.startswith("objective.")
    }
    return Problem(model, objectives, encoders, train, valid, measured)


def _encoder(part: Part, context: Context, modality: Modality) -> Any:
    # What is the same for every seed draws nothing that others would miss when it comes from the cache.
    with torch.random.fork_rng(devices=(), enabled=part.fixed):
        return part.factory(part.config, context, context.streams[modality])


def start_of(start: Start, seed: int, fold: int | None) -> dict[str, Tensor]:
    """The weights for one run. A start without folds serves every fold. RequestError where there are none, or they cannot be read."""
    path = start.weights.get((seed, fold)) or start.weights.get((seed, None))
    if path is None:
        seeds = ", ".join(str(s) for s in sorted({s for s, _ in start.weights})) or "none"
        raise RequestError(f"there are no weights to start seed {seed} from (seeds with weights: {seeds}); train that run first")
    try:
        return load_file(path)
    except (OSError, SafetensorError) as error:
        raise RequestError(f"the weights {path} cannot be read ({error}); run what made them again with --force") from error


def adopt(module: nn.Module, state: Mapping[str, Tensor]) -> int:
    """Load what the module has by the same name, and say how many tensors that was; the others stay as they are.

    RequestError where a tensor of the same name has another shape.
    """
    try:
        missing, _ = module.load_state_dict(state, strict=False)
    except RuntimeError as error:
        reason = str(error).strip().splitlines()[-1].strip()
        raise RequestError(
            f"the weights to start from do not fit ({reason}); start from runs of the same model with the same modalities and settings"
        ) from error
    return len(module.state_dict()) - len(missing)


def _not_finite(fold: Fold, modality: Modality) -> dict[str, float]:
    statistics = fold.statistics.get(modality)
    return {"not_finite": float(statistics.not_finite)} if statistics and statistics.not_finite else {}
