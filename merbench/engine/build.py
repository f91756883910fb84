"""A plan, a fold and a seed -> modules and data, ready to train. The test split is made only when it is asked for, after training."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from merbench.api import Modality, RequestError
from merbench.engine.compose import Composed
from merbench.engine.resolve import Plan
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
    measured: dict[str, dict[str, float]]


def build(plan: Plan, fold: Fold, seed: int, device: torch.device) -> Problem:
    """Equal arguments give equal initial weights, whatever was built before."""
    torch.manual_seed(derive(seed, "init", fold.split.fold))
    parts, context = plan.parts, fold.context
    encoders = {m: parts[f"encoder.{m}"].factory(parts[f"encoder.{m}"].config, context, context.streams[m]) for m in context.streams}
    # Before anything else is made: an encoder may learn its vocabulary, and so its shape, from the rows it will see.
    train = fold.data("train", encoders, device)
    measured = {m: {**_not_finite(fold, m), **getattr(e, "measured", {})} for m, e in encoders.items()}
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
    model.to(device)
    objectives = {
        slot.partition(".")[2]: part.factory(part.config, context, model).to(device)
        for slot, part in parts.items()
        if slot.startswith("objective.")
    }
    return Problem(model, objectives, encoders, train, valid, {m: v for m, v in measured.items() if v})


def _not_finite(fold: Fold, modality: Modality) -> dict[str, float]:
    statistics = fold.statistics.get(modality)
    return {"not_finite": float(statistics.not_finite)} if statistics and statistics.not_finite else {}
