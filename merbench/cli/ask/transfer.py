"""``merbench transfer``: trained on one data set, scored on another."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from merbench.bench.bench import label
from merbench.cli.shared.completion import complete_dataset
from merbench.cli.shared.config_file import ConfigCommand
from merbench.cli.shared.options import run_options
from merbench.cli.shared.output import say, say_next, show_json
from merbench.cli.shared.request import gather
from merbench.cli.shared.session import Session

if TYPE_CHECKING:
    from merbench.analyses.transfer import Further, Pair
    from merbench.api.material.corpus import Corpus
    from merbench.api.material.lexicon import Lexicon
    from merbench.bench.bench import Bench
    from merbench.bench.options import RunOptions
    from merbench.engine.plan.plan import Plan, Request
    from merbench.report.scores.paired import Line
    from merbench.results.records.record import Record


@click.command("transfer", cls=ConfigCommand)
@run_options
@click.option(
    "--from",
    "sources",
    metavar="A[,B]",
    required=True,
    shell_complete=complete_dataset,
    help="Data sets to train on.",
)
@click.option(
    "--to",
    "targets",
    shell_complete=complete_dataset,
    metavar="C[,D]",
    required=True,
    help="Data sets on whose test rows the models are scored.",
)
@click.option("--finetune", is_flag=True, help="Also continue training on the target's train rows.")
@click.option(
    "--together", "both", is_flag=True, help="Also train on the train rows of both at once."
)
@click.option(
    "--finetune-set",
    "tuning",
    metavar="PART.KEY=VALUE",
    multiple=True,
    help="A setting of that training alone.",
)
@click.pass_obj
def command(
    session: Session,
    /,
    sources: str,
    targets: str,
    finetune: bool,
    both: bool,
    tuning: tuple[str, ...],
    **parsed: Any,
) -> None:
    """Train on one data set and score on another's test rows: as it is, and after more training
    there. Every pair of --from and --to.

    Each is compared with the same model trained on the target alone; with --finetune and --together
    a third way trains on both and then continues with the target alone. Only modalities that both
    data sets offer in the same form are used. Utterances that the two share are kept out of
    training and listed. Epochs are chosen on validation rows.

    \b
    Example: merbench transfer --model text-only --from mosei --to mosi --finetune \\
                 --finetune-set train.lr=1e-4
    """
    from merbench.analyses.transfer import lines, pair
    from merbench.engine.plan.settings import parse_settings

    transfers = _transfers(sources, targets, parsed["dataset"])
    settings = parse_settings(tuning, "--finetune-set")
    options = gather((), **parsed)
    bench = session.bench(replace(options, dataset=transfers[0][1]))
    corpora = {bench.corpus.name: bench.corpus}
    for name in dict.fromkeys(name for names in transfers for name in names):
        if name not in corpora:
            corpora[name] = session.dataset(name, options.data)
    # Not the bench's, which is that of one data set.
    lexicon = session.lexicon(options.vectors, options.data)
    request = bench.options.request
    pairs = [pair(request, corpora[a], corpora[b], session.catalog, lexicon) for a, b in transfers]
    notes = [note for transfer_pair in pairs for note in transfer_pair.notes]
    for note in notes:
        say(f"note: {note}")
    runs = _Runs(bench, lexicon, settings)
    further: dict[str, Further] = {}
    if finetune or settings:
        further["finetuned"] = runs.source_then_target
    if both:
        further["together"] = runs.together
    if both and (finetune or settings):
        further["together, finetuned"] = runs.together_then_target
    compared = lines(pairs, runs.run, bench.store, bench.machine, further)
    _report(options, targets, pairs[0].use, compared, notes)
    raise SystemExit(1 if runs.failed else 0)


def _transfers(sources: str, targets: str, dataset: str | None) -> list[tuple[str, str]]:
    """(source, target) of every pair that is asked for."""
    from merbench.api.errors import RequestError

    if dataset:
        raise RequestError(
            "--dataset does not go with transfer; name the data sets with --from and --to"
        )
    from_names, to_names = (
        [name.strip() for name in text.split(",") if name.strip()] for text in (sources, targets)
    )
    transfers = [(a, b) for a in from_names for b in to_names if a != b]
    if not transfers:
        raise RequestError(f"--from {sources} --to {targets} names no two different data sets")
    return transfers


class _Runs:
    """The runs of each way to train. ``failed``: at least one of them did."""

    def __init__(self, bench: Bench, lexicon: Lexicon | None, settings: dict[str, Any]) -> None:
        """``settings``: of the training that is added on the target alone."""
        self.bench, self.lexicon, self.settings = bench, lexicon, settings
        self.failed = False

    def run(self, plan: Plan, corpus: Corpus, *variant: str) -> list[Record]:
        name = " · ".join((label(plan), plan.spec.dataset, *variant))
        records = self.bench.run(plan, self.bench.options.seeds, corpus=corpus, name=name)
        self.failed |= any(record.status == "failed" for record in records)
        return records

    def source_then_target(self, pair: Pair) -> list[Record]:
        return self._finetuned(pair, self.run(pair.learn, pair.source), "finetuned")

    def together(self, pair: Pair) -> list[Record]:
        from merbench.analyses.transfer import together

        return together(pair, self.bench.options.request, self._plan, self.run)

    def together_then_target(self, pair: Pair) -> list[Record]:
        return self._finetuned(pair, self.together(pair), "together, finetuned")

    def _finetuned(self, pair: Pair, start_runs: list[Record], variant: str) -> list[Record]:
        from merbench.analyses.transfer import finetuned

        request = self.bench.options.request
        return finetuned(
            pair,
            start_runs,
            replace(request, settings={**request.settings, **self.settings}),
            lambda changed: self._plan(changed, pair.target),
            lambda plan, corpus: self.run(plan, corpus, variant),
            self.bench.store,
        )

    def _plan(self, request: Request, corpus: Corpus) -> Plan:
        from merbench.engine.resolve import resolve

        return resolve(request, self.bench.catalog, corpus, self.lexicon)


def _report(
    options: RunOptions, targets: str, plan: Plan, compared: list[Line], notes: list[str]
) -> None:
    from merbench.cli.shared.lines import show_lines
    from merbench.report.scores.paired import compare, lines_as_json

    by_name = compare(compared, plan.metrics)
    if options.as_json:
        show_json(
            {"model": options.model, "lines": lines_as_json(compared, by_name), "notes": notes}
        )
        return
    title = f"{options.model} · test rows of {targets}"
    caveats = [plan.recipe.caveat] if plan.recipe.caveat else []
    show_lines(title, compared, by_name, plan.metrics, "trained on", caveats)
    say_next(options.store, "leaderboard")
