"""One run: built, trained, scored, and put into the store."""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

import numpy as np
import torch

from merbench.api import Corpus, MerbenchError, RequestError, RunError, Split
from merbench.engine.build import Problem, build
from merbench.engine.checkpoint import Checkpoint
from merbench.engine.contract import fault
from merbench.engine.encode import with_cached
from merbench.engine.evaluate import predict, weights_digest
from merbench.engine.learn import learn, learn_together
from merbench.engine.plan import Plan
from merbench.engine.restore import save
from merbench.engine.splits import Fold
from merbench.engine.stack import CannotStackError
from merbench.engine.train import Fitted
from merbench.results.claims import Claims
from merbench.results.code_digest import code_digest
from merbench.results.metrics import evaluate, thresholds_of
from merbench.results.provenance import describe
from merbench.results.record import Cost, Metrics, Record, told_space
from merbench.results.spec import run_id
from merbench.results.store import Predictions, Store
from merbench.runs.machine import Machine

FAILURES = (MerbenchError, RuntimeError, ValueError, FloatingPointError, MemoryError)
"""What a run may end with that is recorded, as is whatever a part raises; anything else is a fault
of merbench.
"""

STACK = "-stack"
"""After the run id in the name of a checkpoint of seeds that train together."""

Watch = Callable[[str, dict[str, Any]], None]
"""Told what happens: ``run`` (seed, fold), ``start`` (how, where only some weights are those of
``--init-from``), ``epoch`` (an entry of the history), ``alone`` (why seeds are not stacked),
``done`` (record, reused, other_source); and what ``encode`` tells."""


@dataclass
class Work:
    """What the runs of one plan share."""

    plan: Plan
    corpus: Corpus
    store: Store
    machine: Machine
    keep_weights: bool = True
    tuned_by: Mapping[str, Any] | None = None
    force: bool = False

    def __post_init__(self) -> None:
        self._folds: dict[int | None, Fold] = {}
        # Before the cache takes the place of encoders: their weights are the run's all the same.
        self._sources = {
            name: source
            for part in self.plan.parts.values()
            for name, source in part.sources.items()
        }

    @cached_property
    def digest(self) -> str:
        """Of the source of the components used."""
        return code_digest(self.plan.modules)

    def name(self, seed: int, split: Split) -> str:
        """The run's id."""
        return run_id(self.plan.spec, self.plan.contents, seed, split.fold)

    def forget(self, seed: int, split: Split) -> None:
        """Leave no checkpoint that the run would go on from."""
        for end in ("", STACK):
            self.store.checkpoint(self.name(seed, split) + end).unlink(missing_ok=True)

    def fold(self, split: Split) -> Fold:
        """Made once for all seeds."""
        if split.fold not in self._folds:
            self._folds[split.fold] = Fold(
                self.plan.streams, self.plan.task, split, self.plan.lexicon
            )
        return self._folds[split.fold]

    def encode(self, watch: Watch) -> None:
        """Let the cache, where the machine has one, take the place of frozen encoders."""
        if self.machine.cache:
            self.plan = with_cached(self.plan, self.machine.cache, self.machine.device, watch)
            self.store.warnings += self.machine.cache.warnings
            self.machine.cache.warnings.clear()

    def run(self, seed: int, split: Split, watch: Watch, notes: Sequence[str] = ()) -> Record:
        """Goes on from the run's checkpoint where it was interrupted. A run that fails has a record
        that says why.

        Of all processes that work on the store one makes the run; the others wait for it.
        """
        name = self.name(seed, split)
        with Claims(self.store.root).hold(name) as claim:
            if not self.force and (made := self.store.get(name)) and made.status == "done":
                return made  # by another process, since this one looked
            about = {
                "model": self.plan.spec.model,
                "seed": seed,
                "fold": split.fold,
                "of": self.plan.train.epochs,
            }

            def seen(event: str, info: dict[str, Any]) -> None:
                claim.tell(about | ({"epoch": info["epoch"] + 1} if event == "epoch" else {}))
                watch(event, info)

            return self._run(seed, split, seen, notes)

    def _run(self, seed: int, split: Split, watch: Watch, notes: Sequence[str]) -> Record:
        watch("run", {"seed": seed, "fold": split.fold})
        fold, clock = self.fold(split), time.perf_counter()
        fold.opened.clear()
        common = self._common(seed, fold)
        checkpoint = self._checkpoint(common)
        try:
            problem = self._built(fold, seed, watch)
            fitted = learn(
                self.plan, problem, fold, seed, lambda entry: watch("epoch", entry), checkpoint
            )
            seconds = time.perf_counter() - clock + checkpoint.spent
            told = {**_trained(fold), "notes": [*notes, *self._notes(problem, fitted)]}
            record = self._scored(problem, fitted, fold, seconds, {**common, **told})
        except RequestError:
            raise
        except Exception as error:
            if not why(error, self.plan):
                raise
            record = self.failed(seed, split, error)
        checkpoint.remove()
        return record

    def run_together(self, seeds: Sequence[int], split: Split, watch: Watch) -> list[Record]:
        """Several seeds as one stack, or one by one where that cannot be; each bears an equal share
        of the time.
        """
        with ExitStack() as claims:
            for seed in sorted(seeds):
                claims.enter_context(Claims(self.store.root).hold(self.name(seed, split)))
            held = (
                {}
                if self.force
                else {seed: self.store.get(self.name(seed, split)) for seed in seeds}
            )
            made = {
                seed: record for seed, record in held.items() if record and record.status == "done"
            }
            rest = [seed for seed in seeds if seed not in made]
            if rest:
                made |= dict(zip(rest, self._stacked(rest, split, watch), strict=True))
        return [made[seed] for seed in seeds]

    def _stacked(self, seeds: Sequence[int], split: Split, watch: Watch) -> list[Record]:
        """Goes on from the checkpoint, which bears the first seed's name. That seed is recorded
        last: until then it is found.
        """
        fold, clock = self.fold(split), time.perf_counter()
        fold.opened.clear()
        first = self._common(min(seeds), fold)
        checkpoint = self._checkpoint({**first, "run_id": first["run_id"] + STACK})
        together = self._together(seeds, checkpoint)
        problems: list[Problem] = []
        for seed in seeds:
            watch("run", {"seed": seed, "fold": split.fold})
        try:
            problems += [self._built(fold, seed, watch) for seed in together]
            learned = learn_together(
                self.plan,
                problems,
                fold,
                together,
                lambda seed, entry: watch("epoch", entry),
                checkpoint,
            )
        except RequestError:
            raise
        except torch.OutOfMemoryError:
            alone = "memory does not suffice for all of them"
        except Exception as error:
            if not isinstance(error, CannotStackError) and not why(error, self.plan):
                raise
            alone = str(error)
        else:
            share = (time.perf_counter() - clock + checkpoint.spent) / len(together)
            told, note = (
                _trained(fold),
                f"trained together with seeds {', '.join(map(str, together))}",
            )
            trained = dict(zip(together, zip(problems, learned, strict=True), strict=True))
            made = {
                seed: self._one_of(seed, *trained[seed], split, share, told, note)
                for seed in sorted(seeds, reverse=True)
            }
            checkpoint.remove()
            return [made[seed] for seed in seeds]
        watch("alone", {"why": alone})
        problems.clear()
        checkpoint.remove()
        return [
            self.run(seed, split, watch, [f"trained alone, not stacked: {alone}"]) for seed in seeds
        ]

    def _together(self, seeds: Sequence[int], checkpoint: Checkpoint) -> list[int]:
        """Those of the checkpoint where ``seeds`` are among them: of an interrupted stack some may
        be recorded already.
        """
        saved = checkpoint.load()
        if saved and set(seeds) <= set(saved["seeds"]):
            return list(saved["seeds"])
        if saved:
            told = ", ".join(map(str, saved["seeds"]))
            self.store.reject(
                checkpoint.path,
                f"the stack starts anew, because the checkpoint {checkpoint.path} is of seeds {told}",
            )
            checkpoint.spent = 0.0
        return list(seeds)

    def _one_of(
        self,
        seed: int,
        problem: Problem,
        fitted: Fitted | RunError,
        split: Split,
        share: float,
        told: Mapping[str, Any],
        note: str,
    ) -> Record:
        if isinstance(fitted, RunError):
            return self.failed(seed, split, fitted)
        fold = self.fold(split)
        try:
            notes = {"notes": [note, *self._notes(problem, fitted)]}
            return self._scored(
                problem, fitted, fold, share, {**self._common(seed, fold), **told, **notes}
            )
        except RequestError:
            raise
        except FAILURES as error:
            return self.failed(seed, split, error)

    def _built(self, fold: Fold, seed: int, watch: Watch) -> Problem:
        problem = build(self.plan, fold, seed, self.machine.device)
        if problem.start:
            watch("start", {"how": problem.start})
        return problem

    def failed(self, seed: int, split: Split, error: Exception | str, name: str = "") -> Record:
        """The record of a run that failed, left in the store where it takes the place of no
        finished one. ``name``: another run id.
        """
        message = (
            error
            if isinstance(error, str)
            else why(error, self.plan) or f"{type(error).__name__}: {error}"
        )
        if (
            self.machine.determinism == "strict"
            and "does not have a deterministic implementation" in message
        ):
            message = f"{str(error).split()[0]} has no deterministic kernel on {self.machine.device}; --determinism prefer does without one"
        common = self._common(seed, self.fold(split))
        record = Record(
            status="failed", error=message, **{**common, "run_id": name or common["run_id"]}
        )
        held = self.store.get(record.run_id)
        if held is None or held.status == "failed":
            self.store.put(record)
        return record

    def _scored(
        self, problem: Problem, fitted: Fitted, fold: Fold, seconds: float, common: dict[str, Any]
    ) -> Record:
        """Scored, and put into the store with its predictions and weights. ``seconds``: of
        training.
        """
        clock, opened = time.perf_counter(), len(fold.opened)
        valid, test, thresholds, predictions = _score(self.plan, problem, fold)
        parameters, weights = list(problem.model.parameters()), weights_digest(problem.model)
        seconds, device = round(seconds + time.perf_counter() - clock, 3), self.machine.device
        record = Record(
            status="done",
            metrics=Metrics(valid=valid, test=test),
            thresholds=None if thresholds is None else thresholds.tolist(),
            measured={m: dict(counted) for m, counted in problem.measured.items() if counted},
            history=fitted.history,
            best_epoch=fitted.best_epoch,
            cost=Cost(
                seconds=seconds,
                gpu_seconds=seconds if device.type == "cuda" else 0.0,
                peak_bytes=_peak(device),
                parameters=sum(p.numel() for p in parameters),
                trainable=sum(p.numel() for p in parameters if p.requires_grad),
            ),
            weights_sha256=weights,
            **{**common, "reads": [*common["reads"], *fold.opened[opened:]]},
        )
        kept = save(self.plan, problem, weights) if self.keep_weights else None
        self.store.put(record, self._predictions(fold, predictions), kept)
        return record

    def _notes(self, problem: Problem, fitted: Fitted) -> list[str]:
        notes = [*self.plan.notes, *([problem.start] if problem.start else [])]
        if fitted.rows_at_once is not None:
            notes.append(
                f"memory did not suffice for a whole batch: {fitted.rows_at_once} rows at a time, gradients added up to the same effective "
                "batch (losses and norms that compare rows of a batch see fewer of them)"
            )
        return notes

    def _checkpoint(self, common: dict[str, Any]) -> Checkpoint:
        where = {key: common["provenance"][key] for key in ("device", "threads", "determinism")}
        return Checkpoint(
            self.store,
            common["run_id"],
            {"source": self.digest, "torch": torch.__version__, **where},
        )

    def _common(self, seed: int, fold: Fold) -> dict[str, Any]:
        plan, machine = self.plan, self.machine
        return {
            "run_id": self.name(seed, fold.split),
            "started": datetime.now(UTC).isoformat(timespec="seconds"),
            "spec": plan.spec,
            "track": plan.track,
            "seed": seed,
            "fold": fold.split.fold,
            "space": told_space(fold.space),
            "counts": {part: len(fold.rows(part)) for part in ("train", "valid", "test")},
            "contents": dict(plan.contents),
            "source_digest": self.digest,
            "caveat": plan.recipe.caveat,
            "tuned_by": None if self.tuned_by is None else dict(self.tuned_by),
            "provenance": {
                **describe(str(machine.device), machine.threads, machine.determinism),
                "weights": self._sources,
            },
        }

    def _predictions(self, fold: Fold, predictions: np.ndarray) -> Predictions:
        rows, task = fold.rows("test"), self.plan.task
        target = task.target[rows]
        if task.known is not None and target.ndim > 1:
            target = np.where(task.known[rows], target, np.nan)
        return Predictions(
            self.corpus.ids[rows].tolist(), self.corpus.videos[rows].tolist(), target, predictions
        )


def why(error: Exception, plan: Plan) -> str:
    """What a record says of a run that ended with ``error``; empty where that is a fault of
    merbench.
    """
    if isinstance(error, MerbenchError):
        return str(error)
    blamed = fault(error, plan.parts.values())
    if not blamed and not isinstance(error, FAILURES):
        return ""
    return f"{blamed}{': ' if blamed else ''}{type(error).__name__}: {error}"


def _trained(fold: Fold) -> dict[str, Any]:
    """What a record says of the splits that were read until training ended."""
    return {"reads": [*dict.fromkeys(fold.opened), "trained"]}


def score_valid(plan: Plan, problem: Problem) -> tuple[dict[str, float | None], np.ndarray | None]:
    """Metrics of the validation rows, and the thresholds chosen on them."""
    space = plan.task.space
    made = predict(problem.model, problem.valid, space)
    target = problem.valid.target.numpy()
    known = None if problem.valid.known is None else problem.valid.known.numpy()
    cut = thresholds_of(space, plan.spec.thresholds, target, made, known)
    return evaluate(space, target, made, cut, known), cut


def _score(
    plan: Plan, problem: Problem, fold: Fold
) -> tuple[dict[str, float | None], dict[str, float | None], np.ndarray | None, np.ndarray]:
    """Valid and test metrics, the thresholds (chosen on valid), and the test predictions. The test
    split is read here, once.
    """
    valid, cut = score_valid(plan, problem)
    test = fold.data("test", problem.encoders, problem.train.device)
    if not len(test):
        raise RequestError(
            f"the test split of {plan.spec.dataset} has no row with a known {plan.spec.task}; choose another --task or --protocol"
        )
    on_test = predict(problem.model, test, fold.space)
    known = None if test.known is None else test.known.numpy()
    return valid, evaluate(fold.space, test.target.numpy(), on_test, cut, known), cut, on_test


def _peak(device: torch.device) -> int:
    if device.type == "cuda":
        return int(torch.cuda.max_memory_allocated(device))
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
