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
    from merbench.engine.plan.plan import Plan, Request
    from merbench.results.record import Record


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
@click.option("--finetune", is_flag=True, help="Also go on training on the target's train rows.")
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
    **given: Any,
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
    from merbench.api.errors import RequestError
    from merbench.cli.shared.lines import show_lines
    from merbench.engine.plan.settings import parse_settings
    from merbench.report.scores.paired import compare, lines_as_json

    if given["dataset"]:
        raise RequestError(
            "--dataset does not go with transfer; name the data sets with --from and --to"
        )
    names = [
        [name.strip() for name in text.split(",") if name.strip()] for text in (sources, targets)
    ]
    transfers = [(a, b) for a in names[0] for b in names[1] if a != b]
    if not transfers:
        raise RequestError(f"--from {sources} --to {targets} names no two different data sets")
    settings = parse_settings(tuning, "--finetune-set")
    options = gather((), **given)
    bench = session.bench(replace(options, dataset=transfers[0][1]))
    corpora = {bench.corpus.name: bench.corpus}
    for name in dict.fromkeys(name for both in transfers for name in both):
        if name not in corpora:
            corpora[name] = session.dataset(name, options.data)
    lexicon = session.lexicon(
        options.vectors, options.data
    )  # not bench's, which is that of one data set
    from merbench.analyses.transfer import finetuned, lines, pair, together
    from merbench.engine.resolve import resolve

    pairs = [
        pair(bench.options.request, corpora[a], corpora[b], session.catalog, lexicon)
        for a, b in transfers
    ]
    notes = [note for transfer_pair in pairs for note in transfer_pair.notes]
    for note in notes:
        say(f"note: {note}")
    failed = False

    def run(plan: Plan, corpus: Corpus, *way: str) -> list[Record]:
        nonlocal failed
        records = bench.run(
            plan,
            options.seeds,
            corpus=corpus,
            name=" · ".join((label(plan), plan.spec.dataset, *way)),
        )
        failed |= any(r.status == "failed" for r in records)
        return records

    def plan(request: Request, corpus: Corpus) -> Plan:
        return resolve(request, session.catalog, corpus, lexicon)

    def go_on(transfer_pair: Pair, before: list[Record], way: str) -> list[Record]:
        request = replace(
            bench.options.request, settings={**bench.options.request.settings, **settings}
        )
        return finetuned(
            transfer_pair,
            before,
            request,
            lambda r: plan(r, transfer_pair.target),
            lambda p, c: run(p, c, way),
            bench.store,
        )

    def join(transfer_pair: Pair) -> list[Record]:
        return together(transfer_pair, bench.options.request, plan, run)

    further: dict[str, Further] = {}
    if finetune or settings:
        further["finetuned"] = lambda transfer_pair: go_on(
            transfer_pair, run(transfer_pair.learn, transfer_pair.source), "finetuned"
        )
    if both:
        further["together"] = join
    if both and further.keys() > {"together"}:
        further["together, finetuned"] = lambda transfer_pair: go_on(
            transfer_pair, join(transfer_pair), "together, finetuned"
        )
    compared = lines(pairs, run, bench.store, bench.machine, further)
    metrics = pairs[0].use.metrics
    by_name = compare(compared, metrics)
    if options.as_json:
        show_json(
            {"model": options.model, "lines": lines_as_json(compared, by_name), "notes": notes}
        )
    else:
        caveat = pairs[0].use.recipe.caveat
        show_lines(
            f"{options.model} · test rows of {targets}",
            compared,
            by_name,
            metrics,
            "trained on",
            [caveat] if caveat else [],
        )
        say_next(options.store, "leaderboard")
    raise SystemExit(1 if failed else 0)
