"""What the runs of one plan share: their names, folds, drafts of records, and the store."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

import torch

from merbench.api import Corpus, Split
from merbench.api.events import Watch
from merbench.engine.plan.plan import Plan
from merbench.engine.rows.splits import Fold
from merbench.engine.training.checkpoint import Checkpoint
from merbench.results.code_digest import code_digest
from merbench.results.records.provenance import describe
from merbench.results.records.record import Record, RecordedSpace
from merbench.results.spec import run_id
from merbench.results.store.store import Store
from merbench.results.store.unfinished import is_made
from merbench.runs.draft_record import Draft
from merbench.runs.events import run_resumed
from merbench.runs.failures import message
from merbench.runs.machine import Machine


@dataclass
class Work:
    """``tuned_by`` goes into the records. ``replaced``: what is finished and is made again (see
    ``forced``).
    """

    plan: Plan
    corpus: Corpus
    store: Store
    machine: Machine
    keep_weights: bool = True
    tuned_by: Mapping[str, Any] | None = None
    replaced: Mapping[str, str] = field(default_factory=dict)

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
        return code_digest(self.plan.modules, self.machine.parsed_code)

    def run_id(self, seed: int, split: Split) -> str:
        return run_id(self.plan.spec, self.plan.contents, seed, split.fold)

    def finished(self, run_id: str) -> Record | None:
        """The run's record, unless it is to be made (again)."""
        record = self.store.get(run_id)
        return record if is_made(record, self.replaced.get(run_id, "")) else None

    def taken_over(self, run_id: str) -> Record | None:
        """The finished run, which from now on stands on the plan's track and names its search."""
        record = self.finished(run_id)
        return record and self.store.update(record, self.tuned_by, self.plan.track)

    def fold(self, split: Split) -> Fold:
        """Made once for all seeds."""
        if split.fold not in self._folds:
            plan = self.plan
            self._folds[split.fold] = Fold(
                plan.streams, plan.task, split, plan.lexicon, plan.turns_N2
            )
        return self._folds[split.fold]

    def encode(self, watch: Watch) -> None:
        """Let the cache, where the machine has one, take the place of frozen encoders."""
        self.plan = self.machine.encoded(self.plan, watch)
        if self.machine.cache:
            self.store.warnings += self.machine.cache.warnings
            self.machine.cache.warnings.clear()

    def draft(self, seed: int, split: Split) -> Draft:
        plan, machine, fold = self.plan, self.machine, self.fold(split)
        description = describe(str(machine.device), machine.threads, machine.determinism)
        run_id = self.run_id(seed, split)
        # A run that is made again stands where it stood, and its settings were searched as before.
        earlier = self.store.get(run_id) if run_id in self.replaced else None
        tuned_by = self.tuned_by or (earlier and earlier.tuned_by)
        return Draft(
            run_id=run_id,
            started=datetime.now(UTC).isoformat(timespec="microseconds"),
            spec=plan.spec,
            track=plan.track,
            also_on=[t for t in earlier.tracks if t != plan.track] if earlier else (),
            seed=seed,
            fold=split.fold,
            folds=len(plan.protocol.splits),
            space=RecordedSpace.of(self.plan.task),
            counts={part: len(fold.rows(part)) for part in ("train", "valid", "test")},
            contents=dict(plan.contents),
            source_digest=self.digest,
            caveat=plan.recipe.caveat,
            tuned_by=None if tuned_by is None else dict(tuned_by),
            provenance={**description, "weights": self._sources, **self._encoded_with()},
        )

    def _encoded_with(self) -> dict[str, Any]:
        """Versions of packages that made what the cache holds, by modality: not those that this
        process has loaded.
        """
        factories = {m: self.plan.parts[f"encoder.{m}"].factory for m in self.plan.streams}
        packages_of = {m: getattr(f, "encoded_with", {}) for m, f in factories.items()}
        packages_of = {m: dict(packages) for m, packages in packages_of.items() if packages}
        return {"encoded_with": packages_of} if packages_of else {}

    def checkpoint(self, draft: Draft, watch: Watch) -> Checkpoint:
        """``watch`` is called when a run continues from it."""
        conditions = {key: draft.provenance[key] for key in ("device", "threads", "determinism")}
        identity = {"source": self.digest, "torch": torch.__version__, **conditions}

        def resumed(state: Mapping[str, Any]) -> None:
            watch(run_resumed(self.plan, draft.run_id, draft.seed, draft.fold, state))

        return Checkpoint(self.store, draft.run_id, identity, resumed)

    def failed(self, seed: int, split: Split, error: Exception | str, run_id: str = "") -> Record:
        """The record of a run that failed, left in the store where it takes the place of no
        finished one. ``run_id``: another than the plan's own.
        """
        draft = self.draft(seed, split)
        record = draft.failed(message(error, self.plan, self.machine))
        if run_id:
            record = record.model_copy(update={"run_id": run_id})
        stored = self.store.get(record.run_id)
        if stored is None or stored.status == "failed":
            self.store.put(record)
        return record
