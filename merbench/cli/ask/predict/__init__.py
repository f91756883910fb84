"""``merbench predict``: a finished run applied to new utterances."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from merbench.api.errors import RequestError
from merbench.api.plural import are, count_of
from merbench.bench.bench import label
from merbench.cli.ask.predict.output import as_json, table, unseen_sentences
from merbench.cli.shared.config_file import ConfigCommand
from merbench.cli.shared.named_path import NamedPath
from merbench.cli.shared.options import typed
from merbench.cli.shared.output import say, say_next, show, show_json
from merbench.cli.shared.request import gather
from merbench.cli.shared.run_options import run_options
from merbench.cli.shared.session import Session

if TYPE_CHECKING:
    from merbench.bench.bench import Bench
    from merbench.bench.options import RunOptions
    from merbench.engine.plan.plan import Plan
    from merbench.results.records.record import Record

OF_A_RUN = (
    "paths",
    "sentences",
    "run",
    "data",
    "vectors",
    "device",
    "threads",
    "determinism",
    "store",
    "as_json",
)
"""What may be said beside --run."""


@click.command("predict", cls=ConfigCommand)
@click.argument("paths", type=NamedPath(), nargs=-1, metavar="[FOLDER|FILE.csv|CLIP...]")
@run_options
@click.option(
    "--text",
    "sentences",
    metavar="SENTENCE",
    multiple=True,
    help="A transcript in place of files (repeatable).",
)
@click.option(
    "--run", "run", metavar="RUN", help="One run of the store, in place of --model and its seeds."
)
@click.pass_obj
def command(
    session: Session,
    /,
    paths: tuple[Path, ...],
    sentences: tuple[str, ...],
    run: str | None,
    **parsed: Any,
) -> None:
    """Apply finished runs to new utterances: a feature folder (labels are not needed), a .csv with
    a column text, clips, or sentences.

    Without --run the seeds of --model on --dataset predict together (mean and sd over seeds); what
    the store lacks is trained first. The data set of the run must be here, because its train rows
    say how features are scaled.

    \b
    Example: merbench predict --text "I loved it" --text "a waste of time" --model merclip \\
                 --dataset mosi
             merbench predict new.csv --run 0123456789abcdef --json
    """
    from merbench.data.folder.inputs import read_inputs

    if run:
        _refuse_what_a_run_has(run)
    inputs = read_inputs(paths, sentences)
    options = gather((), **parsed)
    bench, plan, records = (
        _finished(session, options, run) if run else _of_model(session.bench(options))
    )
    from merbench.analyses.predict import apply
    from merbench.analyses.trained import trained

    models = trained(plan, bench.corpus, records, bench.store, bench.machine)
    predicted = apply(plan, models, inputs, bench.machine.device)
    for m in predicted.missing:
        say(
            f"{m}: the inputs have no {plan.streams[m].kind} that the run could read; "
            "it is treated as missing"
        )
    for sentence in unseen_sentences(inputs, predicted):
        say(f"warning: {sentence}")
    runs = [record.run_id for record in records if record.status == "done"]
    if options.as_json:
        tasks = [as_json(inputs, single) for single in predicted.single]
        predictions = tasks[0]
        if len(tasks) > 1:
            predictions = dict(zip(plan.spec.task.split("+"), tasks, strict=True))
        show_json({"runs": runs, **predictions})
    else:
        for single in predicted.single:
            show(table(inputs, single))
        if plan.recipe.caveat:
            say(f"{plan.recipe.name}: {plan.recipe.caveat}")
        say_next(options.store, f"predict INPUT --run {runs[0]}")
    raise SystemExit(1 if bench.failed else 0)


def _refuse_what_a_run_has(run: str) -> None:
    """RequestError for an option that says what the run was made with."""
    typed_options = typed(click.get_current_context())
    fixed = [option for name, option in typed_options.items() if name not in OF_A_RUN]
    if fixed:
        raise RequestError(
            f"{fixed[0]} has no effect on --run {run}, "
            "which has its settings and is not trained again; leave it out"
        )


def _finished(session: Session, options: RunOptions, run: str) -> tuple[Bench, Plan, list[Record]]:
    """RequestError where it was made with other data or pretrained files than are here."""
    from merbench.engine.restore import plan_of
    from merbench.results.store.run_names import as_run_ids
    from merbench.results.store.store import Store

    store = Store(options.store)
    record = store.find(as_run_ids(store, run, "--run"))
    spec = record.spec
    bench = session.bench(replace(options, model=spec.model, dataset=spec.dataset))
    lexicon = bench.workspace.lexicon_for(bench.corpus)
    plan = plan_of(spec, session.catalog, bench.corpus, lexicon)
    contents = record.contents.items()
    if changed := [name for name, digest in contents if plan.contents.get(name) != digest]:
        raise RequestError(
            f"run {record.run_id} was made with other {', '.join(changed)} than is here; "
            "bring it back, or run the model anew"
        )
    return bench, plan, [record]


def _of_model(bench: Bench) -> tuple[Bench, Plan, list[Record]]:
    """The runs of --model, of which those are trained that the store lacks."""
    options = bench.options
    plan = bench.plan(options.request)
    if n_missing := bench.to_make(plan, options.seeds):
        say(
            f"the store {options.store} lacks {count_of(n_missing, 'run')} of {label(plan)} on "
            f"{plan.spec.dataset}, which {are(n_missing)} trained first"
        )
    return bench, plan, bench.run(plan, options.seeds)
