"""``merbench run``: train and score one method, over seeds and folds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from merbench.api.errors import MerbenchError, RequestError
from merbench.cli.shared.options import AblationCommand, RunOptions, gather, run_options
from merbench.cli.shared.output import room, say, show, show_json
from merbench.cli.shared.session import Session

if TYPE_CHECKING:
    from merbench.api.corpus import Corpus
    from merbench.api.lexicon import Lexicon
    from merbench.engine.plan import Plan, Request
    from merbench.engine.start import Start
    from merbench.report.tables.board import Optimum
    from merbench.results.record import Record
    from merbench.results.store import Store
    from merbench.runs.run import Machine


@click.command("run", cls=AblationCommand)
@run_options
@click.option(
    "--variant",
    "named",
    metavar="NAME",
    multiple=True,
    help="A declared ablation (repeatable); --no-X: --variant no-X.",
)
@click.pass_context
def command(ctx: click.Context, /, named: tuple[str, ...], **given: Any) -> None:
    """Train and score a model; what the store holds already is not run again.

    --no-NAME runs it without NAME, for every ablation that the model declares (merbench ablate
    compares them).

    \b
    Example: merbench run --model merclip --dataset mosi --seeds 10
             merbench run --model tfn --modalities text,audio --set train.lr=5e-4
             merbench run --model merclip --no-label-encoder --json
    """
    session: Session = ctx.obj
    options = gather((*ablations(session, given["model"], ctx.meta["ablations"]), *named), **given)
    bench = Bench(session, options)
    plan = bench.plan(bench.options.request)
    records = bench.run(plan, options.seeds)
    bench.report(plan, records)
    raise SystemExit(1 if any(r.status == "failed" for r in records) else 0)


def ablations(session: Session, model: str, flags: Sequence[str]) -> tuple[str, ...]:
    """``--no-X`` -> the declared ablation ``no-X``."""
    from merbench.host.catalog import unknown

    declared = [a.name for a in session.catalog.recipe(model).ablations]
    for flag in flags:
        if flag not in declared:
            raise RequestError(
                unknown(
                    "option",
                    f"--{flag}",
                    [f"--{a}" for a in declared if a.startswith("no-")],
                    f"ablations of {model}",
                )
            )
    return tuple(dict.fromkeys(flags))


class Bench:
    """What the runs of one command share: the data set, the store, the machine."""

    corpus: Corpus
    lexicon: Lexicon | None
    store: Store
    machine: Machine
    told: set[str]
    """What need not be said again: notes, and models for which one seed is enough."""

    def __init__(self, session: Session, options: RunOptions) -> None:
        from merbench.results.store import Store

        self.session, self.told = session, set()
        for model in options.models:
            session.catalog.recipe(model)
        self.store = Store(options.store)
        self.store.require_writable()
        self.corpus = session.dataset(options.dataset, options.data)
        self.lexicon = (
            None if self.corpus.lexicon else session.lexicon(options.vectors, options.data)
        )
        start = self._start(options, options.init_from) if options.init_from else None
        self.options = replace(options, request=replace(options.request, start=start))
        # Imports torch, which takes seconds: what is wrong with the request itself is told before.
        from merbench.runs.run import Machine

        self.machine = Machine.choose(
            options.device, options.threads, options.jobs, options.determinism
        )

    def plan(self, request: Request) -> Plan:
        from merbench.engine.plan import Request
        from merbench.engine.resolve import resolve

        plan = resolve(request, self.session.catalog, self.corpus, self.lexicon)
        if request.thresholds != Request.thresholds and plan.task.space.kind in ("score", "class"):
            raise RequestError(
                f"--thresholds {request.thresholds} changes nothing of task {plan.spec.task}, which is no multilabel one; leave it out"
            )
        for note in plan.notes:
            if note not in self.told:
                say(f"note: {note}")
            self.told.add(note)
        return plan

    def _start(self, options: RunOptions, run: str) -> Start:
        from merbench.engine.datasets import open_dataset
        from merbench.runs.init_from import of_series, seen_by, start_from

        def find(name: str) -> Corpus | None:
            if name == self.corpus.name:
                return self.corpus
            with suppress(MerbenchError):
                return open_dataset(self.session.catalog, name, self.session.homes(options.data))
            return None

        record = of_series(self.store, run) or self.store.find(run)
        once = all(self.session.catalog.recipe(model).closed_form for model in options.models)
        return start_from(
            self.store,
            record,
            options.seeds[:1] if once else options.seeds,
            seen_by(self.store, record, find),
        )

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
        another data set than the command's own, of which the plan is. ``name``: what tells these
        runs from others of the command, where model and variant do not."""
        from merbench.cli.shared.progress import RunProgress
        from merbench.runs.run import run

        force = self.options.force if force is None else force
        if plan.recipe.closed_form and len(seeds) > 1:
            if plan.spec.model not in self.told:
                say(
                    f"note: {plan.spec.model} is fitted in closed form, the same for every seed: seed {seeds[0]} alone is run"
                )
            self.told.add(plan.spec.model)
            seeds = seeds[:1]
        with RunProgress(len(seeds) * len(plan.protocol.splits), name or label(plan)) as progress:
            records = run(
                plan, corpus or self.corpus, seeds, self.store, self.machine, force=force, keep_weights=self.options.weights,
                jobs=self.options.jobs, tuned_by=tuned_by, watch=progress,
            )  # fmt: skip
        for warning in self.store.warnings:
            say(f"warning: {warning}")
        self.store.warnings.clear()
        return records

    def contenders(self, variants: Sequence[str] = ()) -> dict[str, Plan]:
        """Name -> plan of every model of ``--model A,B`` and of its ``variants`` (``all``: what it
        declares and the data allow).
        """
        from merbench.host.catalog import unknown

        catalog, found, left = self.session.catalog, {}, set(variants) - {"all"}
        for model in dict.fromkeys(self.options.models):
            request = replace(self.options.request, model=model)
            found[model] = self.plan(request)
            for ablation in catalog.recipe(model).ablations:
                if ablation.name in variants:
                    found[f"{model} {ablation.name}"] = self.plan(
                        replace(request, ablations=(ablation.name,))
                    )
                elif "all" in variants:
                    with suppress(RequestError):
                        found[f"{model} {ablation.name}"] = self.plan(
                            replace(request, ablations=(ablation.name,))
                        )
                left.discard(ablation.name)
        if left:
            declared = [
                a.name for model in self.options.models for a in catalog.recipe(model).ablations
            ]
            raise RequestError(
                unknown(
                    "variant", min(left), declared, f"ablations of {', '.join(self.options.models)}"
                )
            )
        return found

    def floors(self, plan: Plan) -> dict[str, list[Record]]:
        """Name -> records of the floors in the same track (those that can read what it offers), run
        where the store lacks them.
        """
        from merbench.engine.plan import Request

        found = {}
        catalog = self.session.catalog
        for name in (
            n for n in catalog.names("recipe") if len(catalog.providers("recipe", n)) == 1
        ):
            if not catalog.recipe(name).floor or name == plan.spec.model:
                continue
            asked = self.options.request
            request = replace(
                Request(name),
                task=asked.task,
                protocol=asked.protocol,
                streams=asked.streams,
                allow_leak=asked.allow_leak,
                text_tower=asked.text_tower,
            )
            try:
                floor = self.plan(request)
            except RequestError:
                continue
            try:
                found[name] = self.run(floor, (0,), force=False)
            except RequestError as error:  # such as label words that the word vectors lack
                say(f"floor {name} is left out: {error}")
        return found

    def report(self, plan: Plan, records: Sequence[Record]) -> None:
        """stdout: the table, or one JSON object and nothing else."""
        from merbench.report.scores.statistics import summaries_as_json
        from merbench.report.scores.summary import by_seed, summary
        from merbench.report.tables import board
        from merbench.report.tables.table import table

        scored = by_seed(records, self.store, plan.metrics)
        mine = summary(scored)
        if self.options.as_json:
            runs = [r.model_dump(mode="json") for r in records]
            show_json(
                {
                    "track": plan.track.model_dump(mode="json"),
                    "runs": runs,
                    "summary": summaries_as_json(mine),
                }
            )
            return
        if not scored:
            return
        kind = plan.task.space.kind
        floors = {
            name: summary(by_seed(made, self.store, plan.metrics))
            for name, made in self.floors(plan).items()
        }
        optimum = self.optimum(plan)
        rows = board.rows({label(plan): mine}, floors, optimum)
        test_rows = len(next(iter(scored.values())).rows.ids)
        lines = [
            *board.notes(kind, mine, test_rows),
            *board.distances(plan.metrics, mine, floors, optimum),
        ]
        if plan.recipe.caveat:
            lines.append(f"{plan.recipe.name}: {plan.recipe.caveat}")
        show(table(plan.track.title, board.columns(plan.metrics), rows, notes=lines, width=room()))

    def optimum(self, plan: Plan) -> Optimum | None:
        """The best possible predictors on the same test rows, where the law of the data is known."""
        from merbench.cli.shared.optimum import optimum
        from merbench.report.tables.board import Optimum

        scored = optimum(self.corpus, plan.spec.task, plan.spec.protocol, plan.track.streams)
        return Optimum(scored, list(scored)[-1]) if scored else None


def label(plan: Plan) -> str:
    """A run's name in tables."""
    return f"{plan.spec.model} {plan.spec.variant}".strip()
