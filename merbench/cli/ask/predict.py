"""``merbench predict``: a finished run applied to new utterances."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from merbench.api.errors import RequestError
from merbench.bench.bench import label
from merbench.cli.shared.config_file import ConfigCommand
from merbench.cli.shared.named_path import NamedPath
from merbench.cli.shared.options import typed
from merbench.cli.shared.output import plain_table, say, say_next, show, show_json
from merbench.cli.shared.request import gather
from merbench.cli.shared.run_options import run_options
from merbench.cli.shared.session import Session

if TYPE_CHECKING:
    import numpy as np
    from rich.table import Table

    from merbench.analyses.predict import Predicted
    from merbench.bench.bench import Bench
    from merbench.bench.options import RunOptions
    from merbench.data.folder.inputs import Inputs
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
NAMED = 3
"""Utterances or words that a sentence names."""


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
        runs, are = ("run", "is") if n_missing == 1 else ("runs", "are")
        say(
            f"the store {options.store} lacks {n_missing} {runs} of {label(plan)} on "
            f"{plan.spec.dataset}, which {are} trained first"
        )
    return bench, plan, bench.run(plan, options.seeds)


def as_json(inputs: Inputs, predicted: Predicted) -> dict[str, Any]:
    """Means over the runs, and each run's prediction."""
    words = list(predicted.space.words)
    rows = []
    for i, name in enumerate(inputs.ids):
        row: dict[str, Any] = {"id": name, "text": inputs.texts[i]}
        row["prediction"] = _named(predicted.prediction[:, i].mean(0), words)
        row["each"] = predicted.prediction[:, i].tolist()
        if predicted.shares is not None:
            row["labels"] = _named(predicted.shares[:, i].mean(0), words)
        row["contribution"] = {
            m: _named(c[:, i].mean(0), words) for m, c in predicted.contribution.items()
        }
        row["not_seen"] = predicted.not_seen[i]
        row["unknown_words"] = predicted.unknown_words[i]
        rows.append(row)
    return {"labels": words, "missing": predicted.missing, "rows": rows}


def _named(value: np.ndarray, words: list[str]) -> float | dict[str, float]:
    return float(value) if value.ndim == 0 else dict(zip(words, value.tolist(), strict=True))


def table(inputs: Inputs, predicted: Predicted) -> Table:
    """One line an utterance. The contribution of a modality is to the score, or to the probability
    of the label that is shown.
    """
    from rich.text import Text

    mean, words = predicted.prediction.mean(0), predicted.space.words
    score = mean.ndim == 1
    sheet = plain_table(left=("id",))
    sheet.add_column("text", max_width=48, overflow="ellipsis", no_wrap=True)
    sheet.add_column("score" if score else "label", justify="right" if score else "left")
    if not score:
        sheet.add_column("probability", justify="right")
    sheet.add_column("sd over seeds", justify="right")
    if score and predicted.shares is not None:
        sheet.add_column("nearest label")
        sheet.add_column("share", justify="right")
    for m in predicted.contribution:
        sheet.add_column(f"{m} adds", justify="right")
    some_unseen = any(predicted.not_seen)
    if some_unseen:
        sheet.add_column("not seen")
    several = len(predicted.prediction) > 1
    for i, name in enumerate(inputs.ids):
        best = 0 if score else int(mean[i].argmax())
        output = (slice(None), i) if score else (slice(None), i, best)
        values_S = predicted.prediction[output]
        cells = [f"{values_S.mean():+z.2f}"] if score else [words[best], f"{values_S.mean():.2f}"]
        cells.append(f"{values_S.std(ddof=1):.2f}" if several else "–")
        if score and predicted.shares is not None:
            shares = predicted.shares[:, i].mean(0)
            cells += [words[int(shares.argmax())], f"{shares.max():.0%}"]
        cells += [f"{c[output].mean():+z.2f}" for c in predicted.contribution.values()]
        if some_unseen:
            cells.append(", ".join(predicted.not_seen[i]) or "–")
        sheet.add_row(Text(name), Text(inputs.texts[i]), *cells)
    return sheet


def unseen_sentences(inputs: Inputs, predicted: Predicted) -> list[str]:
    """One for each way of not being seen, and for each utterance with words that are unknown; and
    which utterances were predicted from nothing.
    """
    by_reason: dict[tuple[str, str], list[str]] = {}
    for name, row in zip(inputs.ids, predicted.not_seen, strict=True):
        for modality, reason in row.items():
            if modality not in predicted.missing:
                by_reason.setdefault((modality, reason), []).append(name)
    sentences = [
        f"{modality} was not seen in {_names(names)}: {reason}"
        for (modality, reason), names in by_reason.items()
    ]
    partly = [
        (name, words)
        for name, row, words in zip(
            inputs.ids, predicted.not_seen, predicted.unknown_words, strict=True
        )
        if words and "text" not in row
    ]
    sentences += [
        f"{name} was read without {_names(words)}: no vector is known"
        for name, words in partly[:NAMED]
    ]
    if len(partly) > NAMED:
        sentences.append(f"{len(partly) - NAMED} more have words without a vector; --json has them")
    n_modalities = len(predicted.contribution) + len(predicted.missing)
    nothing = [
        name
        for name, row in zip(inputs.ids, predicted.not_seen, strict=True)
        if n_modalities and len(row) == n_modalities
    ]
    if nothing:
        sentences.append(
            f"{_names(nothing)} {'was' if len(nothing) == 1 else 'were'} predicted from nothing: "
            "its prediction is what the model gives for an empty input"
        )
    return sentences


def _names(names: list[str]) -> str:
    first = ", ".join(map(str, names[:NAMED]))
    return first if len(names) <= NAMED else f"{first} and {len(names) - NAMED} more"
