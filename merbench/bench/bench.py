"""``Bench``: what the runs of one call share, whether a command or a Python function makes it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from merbench.api.errors import LabelsError, MerbenchError, RequestError
from merbench.api.events import Note, Watch
from merbench.bench.loggers import all_of, open_loggers
from merbench.bench.options import RunOptions

if TYPE_CHECKING:
    from merbench.api.material.corpus import Corpus
    from merbench.engine.plan.plan import Plan, Request
    from merbench.engine.plan.start_weights import Start
    from merbench.host.catalog import Catalog
    from merbench.report.tables.board import Optimum
    from merbench.results.records.record import Record

ProgressOf = Callable[[int, str], AbstractContextManager[Watch]]
"""``(number of runs, label)`` -> what watches them."""


class Bench:
    """The data set, the store and the machine of ``options``, each opened once. What it has to say
    goes to ``watch`` as ``Note``.
    """

    def __init__(
        self,
        catalog: Catalog,
        homes: Sequence[Path],
        options: RunOptions,
        watch: Watch,
        progress: ProgressOf,
        disabled: tuple[str, ...] = (),
    ) -> None:
        from merbench.engine.plan.datasets import open_or_default
        from merbench.results.store.store import Store

        self.catalog, self.homes = catalog, homes
        self._watch, self._progress = watch, progress
        self._sentences = set[str]()
        self._replaced: Mapping[str, str] | None = None
        self.failed = False
        """Whether a run of ``run`` did."""
        for model in options.models:
            catalog.recipe(model)
        self.loggers = open_loggers(catalog, options.log)
        self.store = Store(options.store)
        self.store.require_writable()
        self.corpus = open_or_default(catalog, homes, options.dataset, watch)
        # Imports torch, which takes seconds: what is wrong with the request itself is said before.
        from merbench.runs.machine import Machine
        from merbench.runs.workspace import Sources, Workspace

        sources = Sources(disabled, tuple(homes), options.vectors)
        self.workspace = Workspace(sources, catalog, [self.corpus])
        start = self._start(options, options.init_from) if options.init_from else None
        self.options = replace(options, request=replace(options.request, start=start))
        self.machine = Machine.choose(
            options.device, options.threads, options.jobs, options.determinism
        )

    def say(self, sentence: str, warning: bool = False) -> None:
        """Once."""
        if sentence not in self._sentences:
            self._sentences.add(sentence)
            self._watch(Note(sentence=sentence, warning=warning))

    def dataset(self, name: str) -> Corpus:
        """Another one than the bench's own."""
        from merbench.engine.plan.datasets import open_or_default

        return open_or_default(self.catalog, self.homes, name, self._watch)

    def plan(self, request: Request) -> Plan:
        """RequestError where it does not fit the data set."""
        plan = self.workspace.plan(self.corpus.name, request)
        require_use_of_thresholds(plan, request)
        for note in plan.notes:
            self.say(f"note: {note}")
        if self.options.vectors and self.corpus.lexicon:
            self.say(
                f"note: {self.corpus.name} has word vectors of its own; --vectors "
                f"{' '.join(self.options.vectors)} is not read"
            )
        return plan

    def run(
        self,
        plan: Plan,
        seeds: Sequence[int],
        force: bool | None = None,
        tuned_by: Mapping[str, Any] | None = None,
        corpus: Corpus | None = None,
        name: str = "",
    ) -> list[Record]:
        """One record a fold and seed, of the first seed alone where all are equal. ``corpus``:
        another data set than the bench's own, of which the plan is. ``name``: what distinguishes
        these runs from others of the call, where model and ablation do not.
        """
        from merbench.runs.run import run

        if plan.one_seed and len(seeds) > 1:
            self.say(
                f"note: {plan.spec.model} is fitted in closed form, the same for every seed: "
                f"seed {seeds[0]} alone is run"
            )
        seeds = seeds_to_run(plan, seeds)
        n_runs = len(seeds) * len(plan.protocol.splits)
        may_reuse = force is None and not self.options.force
        if self.loggers and may_reuse and self.to_make(plan, seeds) < n_runs:
            self.say(
                "note: loggers are told of what trains now, and of nothing that is taken from the "
                "store (--force trains it again)"
            )
        with self._until_the_end(), self._progress(n_runs, name or label(plan)) as progress:
            records = run(
                plan,
                corpus or self.corpus,
                seeds,
                self.store,
                self.machine,
                force=self.options.force if force is None else force,
                replaced=self._replaced,
                keep_weights=self.options.weights,
                jobs=self.options.jobs,
                tuned_by=tuned_by,
                watch=all_of(progress, *self.loggers),
            )
        self.failed |= any(record.status == "failed" for record in records)
        return records

    @contextmanager
    def one_call(self, plans: Iterable[Plan]) -> Iterator[None]:
        """Around ``run`` of each of these plans, with the seeds of the options. With --force they
        are made again as the runs of one plan are: after a kill the same call goes on.
        """
        from merbench.runs.run import made_again

        if not self.options.force:
            yield
            return
        of_plans = [(plan, seeds_to_run(plan, self.options.seeds)) for plan in plans]
        try:
            with made_again(of_plans, self.store, self.machine, self._watch) as self._replaced:
                yield
        finally:
            self._replaced = None

    @contextmanager
    def _until_the_end(self) -> Iterator[None]:
        """However the block ends, by an interrupt too, loggers are closed, and what the store warns
        of is told: a file that was set aside is not met again.
        """
        try:
            yield
        finally:
            for logger in self.loggers:
                logger.close()
            for warning in self.store.warnings:
                self._watch(Note(sentence=warning, warning=True))
            self.store.warnings.clear()

    def to_make(self, plan: Plan, seeds: Sequence[int]) -> int:
        """How many of the runs the store lacks."""
        from merbench.results.spec import run_id

        names = [
            run_id(plan.spec, plan.contents, seed, split.fold)
            for seed in seeds_to_run(plan, seeds)
            for split in plan.protocol.splits
        ]
        records = [self.store.get(name) for name in names]
        return sum(record is None or record.status != "done" for record in records)

    def contenders(self, ablations: Sequence[str] = ()) -> dict[str, Plan]:
        """Name -> plan of every model of ``--model A,B`` and of its ``ablations`` (``all``: what it
        declares; it is said which the data do not allow, or are the full model).
        """
        from merbench.analyses.ablate import ablated_requests, plans_of
        from merbench.host.catalog import unknown

        plans: dict[str, Plan] = {}
        declared: list[str] = []
        for model in dict.fromkeys(self.options.models):
            request, recipe = replace(self.options.request, model=model), self.catalog.recipe(model)
            plans[model] = full = self.plan(request)
            names = [ablation.name for ablation in recipe.ablations]
            declared += names
            chosen = names if "all" in ablations else [n for n in names if n in ablations]
            requests = ablated_requests(recipe, chosen, (), request, all_subsets=False)
            ablated, reasons = plans_of(requests, full, self.plan)
            for name, reason in reasons.items():
                if name in ablations:
                    raise RequestError(f"ablation {name} of {model}: {reason}")
                self.say(f"note: {model} {name} is left out: {reason}")
            plans |= {f"{model} {name}": plan for name, plan in ablated.items()}
        if undeclared := set(ablations) - {"all", *declared}:
            models = ", ".join(self.options.models)
            raise RequestError(
                unknown("ablation", min(undeclared), declared, f"ablations of {models}")
            )
        return plans

    def floors(self, plan: Plan) -> dict[str, list[Record]]:
        """Name -> records of the floors in the same track (those that can read what it offers), run
        where the store lacks them.
        """
        from merbench.bench.floors import floors_along
        from merbench.engine.plan.plan import Request

        records = {}
        own_request = self.options.request
        for name in floors_along(self.catalog):
            if name == plan.spec.model:
                continue
            request = Request(
                name,
                task=own_request.task,
                protocol=own_request.protocol,
                streams=own_request.streams,
                allow_leak=own_request.allow_leak,
                labels=own_request.labels,
                missing=own_request.missing,
                text_tower=own_request.text_tower,
                thresholds=own_request.thresholds,
            )
            try:
                floor = self.plan(request)
            except LabelsError as error:
                self.say(f"floor {name} is left out: {error}")
                continue
            except RequestError:  # it reads other streams than these
                continue
            try:
                seeds = (0,) if floor.one_seed else self.options.seeds
                records[name] = self.run(floor, seeds, force=False)
            except RequestError as error:
                self.say(f"floor {name} is left out: {error}")
        return records

    def optimum(self, plan: Plan) -> Optimum | None:
        """The best possible predictors on the same test rows where the law of the data is known."""
        from merbench.bench.best_predictors import optimum
        from merbench.report.tables.board import Optimum

        scored = optimum(self.corpus, plan.spec.task, plan.spec.protocol, plan.track.streams)
        return Optimum(scored, list(scored)[-1]) if scored else None

    def _start(self, options: RunOptions, run: str) -> Start:
        from merbench.runs.init_from import named, seen_by, start_from

        def find(name: str) -> Corpus | None:
            with suppress(MerbenchError):
                return self.workspace.corpus(name)
            return None

        record = named(self.store, run)
        requests = [replace(options.request, model=model) for model in options.models]
        plans = [self.workspace.plan(self.corpus.name, request) for request in requests]
        one_seed = all(plan.one_seed for plan in plans)
        seeds = options.seeds[:1] if one_seed else options.seeds
        return start_from(self.store, record, seeds, seen_by(self.store, record, find))


def require_use_of_thresholds(plan: Plan, request: Request) -> None:
    """RequestError for thresholds of a task that decides no labels."""
    from merbench.engine.plan.plan import Request
    from merbench.results.metrics.thresholds import canonical

    if canonical(request.thresholds) not in (Request.thresholds, plan.spec.thresholds):
        raise RequestError(
            f"--thresholds {request.thresholds} has no effect on task {plan.spec.task}, "
            "which is no multilabel one; leave it out"
        )


def seeds_to_run(plan: Plan, seeds: Sequence[int]) -> Sequence[int]:
    """The first alone where every seed gives the same run."""
    return seeds[:1] if plan.one_seed else seeds


def label(plan: Plan) -> str:
    """A run's name in tables."""
    return f"{plan.spec.model} {plan.spec.ablation}".strip()
