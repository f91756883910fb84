"""The history is what the spec's training leaves, and the best epoch by validation is the one that
was scored.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from merbench.api.declarations.train_settings_and_ranges import TrainConfig
from merbench.report.verify.numbers import SELECTED, close
from merbench.results.metrics import BUILT_IN, Registry, TaskMetrics
from merbench.results.records.record import Record

Epoch = Mapping[str, Any]
"""An entry of ``Record.history``."""


class NotTrained(Exception):
    """Why a history is none that the spec's training leaves, as a sentence."""


def selection(record: Record, registry: Registry = BUILT_IN) -> str:
    """Why the history is none that the spec's training leaves, or ``best_epoch`` not the best
    validation epoch of the last stage that selects, or not the one scored; empty where all is so.
    """
    stages = {stage.get("name", "main"): stage for stage in record.spec.stages} or {"main": {}}
    if unknown := [e for e in record.history if e.get("stage", "main") not in stages]:
        return f"its history has the stage {unknown[0]['stage']!r}, and its spec does not"
    metrics = registry.of(record.space.label_space(), every_span=True)
    metric, best = "", None
    for name, stage in stages.items():
        epochs = [e for e in record.history if e.get("stage", "main") == name]
        if not epochs:
            continue
        train = TrainConfig(**{**record.spec.train.model_dump(), **stage.get("settings", {})})
        watched = metrics.selecting(train.select)
        try:
            kept = _kept_epoch(epochs, name, stage, train, metrics, watched)
        except NotTrained as error:
            return str(error)
        if stage.get("selects", True):
            metric, best = watched, kept
    expected = best["epoch"] if best else None
    if record.best_epoch != expected:
        return f"best_epoch is {record.best_epoch}, and the best validation epoch is {expected}"
    # A later stage that selects nothing trains on.
    trained_on = best is not None and record.history[-1].get("stage") != best.get("stage")
    if best is None or record.metrics is None or trained_on:
        return ""
    scored, at_epoch = record.metrics.valid.get(metric), best.get(metric)
    if close(scored, at_epoch, SELECTED):
        return ""
    return f"its validation {metric} is {scored}, and its best epoch had {at_epoch}"


def _kept_epoch(
    epochs: Sequence[Epoch],
    name: str,
    stage: Mapping[str, Any],
    train: TrainConfig,
    metrics: TaskMetrics,
    watched: str,
) -> Epoch:
    """The epoch whose weights a stage keeps. Raises NotTrained."""
    limit = train.epochs if stage.get("epochs") is None else stage["epochs"]
    selects = stage.get("selects", True)
    sign = 1 if metrics[watched].higher_is_better else -1
    top, waited, chosen = -math.inf, 0, epochs[0]
    for number, entry in enumerate(epochs):
        if entry.keys() != {"stage", "epoch", "loss", watched}:
            raise NotTrained(
                f"an epoch of its history has {', '.join(entry)}, and not stage, epoch, loss, "
                f"{watched}"
            )
        if entry["epoch"] != number or number >= limit or waited >= train.patience:
            raise NotTrained(
                f"epoch {entry['epoch']} of stage {name} is none that its spec trains: "
                f"{limit} at most, patience {train.patience}"
            )
        value = entry.get(watched)
        score = -math.inf if value is None else sign * value
        waited += 1
        if score > top or number == 0 or not selects:
            top, waited, chosen = score, 0, entry
    if len(epochs) < limit and waited < train.patience:
        raise NotTrained(
            f"its history of stage {name} ends after {len(epochs)} epochs, "
            f"and its spec trains on: {limit}, patience {train.patience}"
        )
    return chosen
