"""Runs of one plan: every seed and fold that the store does not hold yet, one record each."""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
import torch

from merbench.api import Corpus, MerbenchError, RequestError, Split
from merbench.engine.build import Problem, build
from merbench.engine.evaluate import predict, weights_digest
from merbench.engine.learn import learn
from merbench.engine.resolve import Plan
from merbench.engine.restore import save
from merbench.engine.splits import Fold
from merbench.results.metrics import choose_thresholds, evaluate
from merbench.results.provenance import describe, source_digest
from merbench.results.record import Cost, Metrics, Record
from merbench.results.spec import run_id
from merbench.results.store import Predictions, Store

Watch = Callable[[str, dict[str, Any]], None]
"""Told what happens: ``run`` (seed, fold), ``epoch`` (an entry of the history), ``done`` (record, reused)."""


@dataclass(frozen=True)
class Machine:
    """Where runs are made. Not part of a run's identity; it stands in the record."""

    device: torch.device
    threads: int

    @classmethod
    def choose(cls, device: str = "auto", threads: int | None = None) -> Machine:
        """``auto`` is the GPU where there is one. Threads are capped, so that runs side by side do not starve each other."""
        if device == "cuda" and not torch.cuda.is_available():
            raise RequestError("--device cuda: torch sees no GPU here; merbench doctor says more, and --device cpu runs without")
        kind = ("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device
        threads = threads or min(4, torch.get_num_threads())
        torch.set_num_threads(threads)
        torch.use_deterministic_algorithms(True, warn_only=True)
        return cls(torch.device(kind), threads)


def run(
    plan: Plan, corpus: Corpus, seeds: Sequence[int], store: Store, machine: Machine, *, folds: Sequence[int | None] | None = None,
    force: bool = False, keep_weights: bool = True, tuned_by: Mapping[str, Any] | None = None,
    watch: Watch = lambda event, info: None,
) -> list[Record]:  # fmt: skip
    """One record a seed and fold, in that order. A run that fails is recorded as failed with its error, and the rest go on.

    What the store holds already is not run again (``force`` does). A record made by another version of the components' source is
    reused, and told (``info["other_source"]``). ``folds``: only these of the protocol. ``tuned_by`` goes into the records.
    """
    digest = source_digest(plan.modules)
    splits = _splits(plan, folds)
    made: dict[int | None, Fold] = {}
    records = []
    for seed in seeds:
        for split in splits:
            name = run_id(plan.spec, plan.contents, seed, split.fold)
            held = None if force else store.get(name)
            if held and held.status == "done":
                watch("done", {"record": held, "reused": True, "other_source": held.source_digest != digest})
                records.append(held)
                continue
            watch("run", {"seed": seed, "fold": split.fold})
            if split.fold not in made:
                made[split.fold] = Fold(plan.streams, plan.task, split, plan.lexicon)
            result = _one(plan, corpus, made[split.fold], seed, name, digest, machine, tuned_by, keep_weights, watch)
            store.put(*result)
            watch("done", {"record": result[0], "reused": False, "other_source": False})
            records.append(result[0])
    return records


def _splits(plan: Plan, folds: Sequence[int | None] | None) -> list[Split]:
    there = {split.fold: split for split in plan.protocol.splits}
    for fold in folds or ():
        if fold not in there:
            known = ", ".join(str(f) for f in there)
            raise RequestError(f"protocol {plan.spec.protocol} of {plan.spec.dataset} has no fold {fold}; its folds are {known}")
    return [there[fold] for fold in (there if folds is None else folds)]


def _one(
    plan: Plan, corpus: Corpus, fold: Fold, seed: int, name: str, digest: str, machine: Machine,
    tuned_by: Mapping[str, Any] | None, keep_weights: bool, watch: Watch,
) -> tuple[Record, Predictions | None, bytes | None]:  # fmt: skip
    clock = time.perf_counter()
    common = _common(plan, seed, fold.split.fold, name, digest, machine, tuned_by)
    common["counts"] = {part: len(fold.rows(part)) for part in ("train", "valid", "test")}
    try:
        problem = build(plan, fold, seed, machine.device)
        fitted = learn(plan, problem, fold, seed, lambda entry: watch("epoch", entry))
        valid, test, thresholds, predictions = _score(plan, problem, fold)
    except RequestError:
        raise
    except (MerbenchError, RuntimeError, ValueError, FloatingPointError) as error:
        return Record(status="failed", error=_sentence(error), **common), None, None
    parameters, weights = list(problem.model.parameters()), weights_digest(problem.model)
    record = Record(
        status="done",
        metrics=Metrics(valid=valid, test=test),
        thresholds=None if thresholds is None else thresholds.tolist(),
        measured=problem.measured,
        history=fitted.history,
        best_epoch=fitted.best_epoch,
        cost=Cost(
            seconds=round(time.perf_counter() - clock, 3),
            gpu_seconds=round(time.perf_counter() - clock, 3) if machine.device.type == "cuda" else 0.0,
            peak_bytes=_peak(machine.device),
            parameters=sum(p.numel() for p in parameters),
            trainable=sum(p.numel() for p in parameters if p.requires_grad),
        ),
        weights_sha256=weights,
        **common,
    )
    rows = fold.rows("test")
    target = plan.task.target[rows]
    if plan.task.known is not None and target.ndim > 1:
        target = np.where(plan.task.known[rows], target, np.nan)
    made = Predictions(corpus.ids[rows].tolist(), corpus.videos[rows].tolist(), target, predictions)
    return record, made, save(plan, problem, weights) if keep_weights else None


def failure(
    plan: Plan, seed: int, fold: int | None, machine: Machine, error: Exception | str, tuned_by: Mapping[str, Any] | None = None
) -> Record:
    """The record of a run that did not get so far as to write its own."""
    name = run_id(plan.spec, plan.contents, seed, fold)
    common = _common(plan, seed, fold, name, source_digest(plan.modules), machine, tuned_by)
    return Record(status="failed", error=_sentence(error), counts={}, **common)


def _common(
    plan: Plan, seed: int, fold: int | None, name: str, digest: str, machine: Machine, tuned_by: Mapping[str, Any] | None
) -> dict[str, Any]:
    """What a record says whether its run is done or has failed."""
    return {
        "run_id": name,
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "spec": plan.spec,
        "track": plan.track,
        "seed": seed,
        "fold": fold,
        "space": {"kind": plan.task.space.kind, "words": list(plan.task.space.words)},
        "contents": dict(plan.contents),
        "source_digest": digest,
        "caveat": plan.recipe.caveat,
        "tuned_by": None if tuned_by is None else dict(tuned_by),
        "provenance": describe(str(machine.device), machine.threads, torch.are_deterministic_algorithms_enabled()),
    }


def _sentence(error: Exception | str) -> str:
    return str(error) if isinstance(error, MerbenchError | str) else f"{type(error).__name__}: {error}"


def _score(
    plan: Plan, problem: Problem, fold: Fold
) -> tuple[dict[str, float | None], dict[str, float | None], np.ndarray | None, np.ndarray]:
    """Valid and test metrics, the thresholds (chosen on valid), and the test predictions. The test split is read here, once."""
    space, device = fold.space, problem.train.device
    on_valid = predict(problem.model, problem.valid, space)
    y_valid = problem.valid.target.numpy()
    known = None if problem.valid.known is None else problem.valid.known.numpy()
    cut = choose_thresholds(plan.spec.thresholds, y_valid, on_valid, known) if space.kind == "multilabel" else None
    valid = evaluate(space, y_valid, on_valid, cut, known)

    test = fold.data("test", problem.encoders, device)
    if not len(test):
        raise RequestError(
            f"the test split of {plan.spec.dataset} has no row with a known {plan.spec.task}; choose another --task or --protocol"
        )
    on_test = predict(problem.model, test, space)
    known = None if test.known is None else test.known.numpy()
    return valid, evaluate(space, test.target.numpy(), on_test, cut, known), cut, on_test


def _peak(device: torch.device) -> int:
    if device.type == "cuda":
        return int(torch.cuda.max_memory_allocated(device))
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
