"""What happens to runs, as the events that watchers know (``merbench.api.events``)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from merbench.api.events import EpochDone, RunDone, RunResumed, RunStarted
from merbench.engine.plan.plan import Plan
from merbench.results.records.record import Record


def epochs_of(plan: Plan) -> int:
    """At most so many over all stages; 0 for a model that is fitted in closed form."""
    return 0 if plan.recipe.closed_form else sum(_by_stage(plan).values())


def run_started(plan: Plan, run_id: str, seed: int, fold: int | None) -> RunStarted:
    spec = plan.spec
    settings = {
        f"{slot}.{name}": value
        for slot, part in spec.parts.items()
        for name, value in {"name": part.name, **part.config}.items()
    }
    settings |= {f"train.{name}": v for name, v in spec.train.model_dump(mode="json").items()}
    return RunStarted(
        run_id=run_id,
        model=spec.model,
        ablation=spec.ablation,
        dataset=spec.dataset,
        task=spec.task,
        protocol=spec.protocol,
        seed=seed,
        fold=fold,
        epochs=epochs_of(plan),
        settings=settings,
    )


def run_resumed(
    plan: Plan, run_id: str, seed: int, fold: int | None, state: Mapping[str, Any]
) -> RunResumed:
    """``state``: what the checkpoint holds."""
    finished_stages = list(_by_stage(plan).values())[: state.get("stage", 0)]
    return RunResumed(
        run_id=run_id,
        seed=seed,
        fold=fold,
        epoch=sum(finished_stages) + state["epoch"],
        epochs=epochs_of(plan),
    )


def epoch_done(
    plan: Plan, run_id: str, seed: int, fold: int | None, entry: Mapping[str, Any]
) -> EpochDone:
    """``entry``: of the history. A stage that stopped early counts in full."""
    by_stage = _by_stage(plan)
    stages = list(by_stage)
    earlier = sum(by_stage[name] for name in stages[: stages.index(entry["stage"])])
    ((metric, value),) = ((k, v) for k, v in entry.items() if k not in ("stage", "epoch", "loss"))
    return EpochDone(
        run_id=run_id,
        seed=seed,
        fold=fold,
        stage=entry["stage"],
        epoch=earlier + entry["epoch"] + 1,
        epochs=sum(by_stage.values()),
        losses=entry["loss"],
        metric=metric,
        value=value,
    )


def run_done(record: Record, reused: bool = False, other_source: bool = False) -> RunDone:
    metrics = record.metrics
    return RunDone(
        run_id=record.run_id,
        seed=record.seed,
        fold=record.fold,
        status=record.status,
        valid=metrics.valid if metrics else {},
        test=metrics.test if metrics else {},
        best_epoch=record.best_epoch,
        seconds=record.cost.seconds if record.cost else None,
        error=record.error,
        reused=reused,
        other_source=other_source,
    )


def _by_stage(plan: Plan) -> dict[str, int]:
    """Name -> epochs of its own: none of a stage that runs within another."""
    epochs = {s.name: plan.train.epochs if s.epochs is None else s.epochs for s in plan.stages}
    return epochs | {stage.name: 0 for stage in plan.stages if stage.within}
