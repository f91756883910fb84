"""``merbench ensemble``: the mean of what finished runs predict."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from merbench.cli.shared.completion import complete_dataset
from merbench.cli.shared.output import say, say_next, show_json
from merbench.cli.shared.session import Session

if TYPE_CHECKING:
    from merbench.report.scores.paired import Line
    from merbench.report.scores.rows.entries import Board
    from merbench.report.scores.rows.pooled_seeds import Scored
    from merbench.results.records.record import Record
    from merbench.results.store.store import Store


@click.command("ensemble")
@click.argument("runs", nargs=-1, required=True, metavar="RUN...")
@click.option("--dataset", shell_complete=complete_dataset, help="Only this data set.")
@click.option("--track", help="Only tracks whose title contains this, such as folds.")
@click.option(
    "--store",
    type=click.Path(path_type=Path),
    envvar="MERBENCH_STORE",
    default="runs",
    show_default=True,
)
@click.option(
    "--json", "as_json", is_flag=True, help="One JSON object on stdout, and nothing else there."
)
@click.pass_obj
def command(
    session: Session,
    runs: tuple[str, ...],
    dataset: str | None,
    track: str | None,
    store: Path,
    as_json: bool,
) -> None:
    """Average the predictions of finished runs, each RUN (a row of merbench leaderboard by name, or
    a run id) with all its seeds.

    Seed by seed, and then over the seeds too. All must have been scored on the same test rows; they
    may come from several models, and from transfer. Which runs to average is best decided by their
    validation scores.

    \b
    Example: merbench ensemble merclip tfn --dataset mosi --track standard
             merbench ensemble 0123456789abcdef fedcba9876543210
    """
    from merbench.analyses.ensemble import members
    from merbench.api.errors import RequestError
    from merbench.bench.recipes import floors
    from merbench.cli.shared.lines import show_lines
    from merbench.report.scores.compare import Side, together
    from merbench.report.scores.no_run import no_run
    from merbench.report.scores.paired import correct, differences, lines_as_json
    from merbench.report.scores.rows.entries import collect
    from merbench.report.scores.rows.pooled_seeds import by_seed
    from merbench.report.scores.source import StoreSource
    from merbench.results.store.store import Store

    source = StoreSource(Store(store))
    records, floor_names = source.records(), floors(session.catalog)
    boards = collect(records, floor_names, dataset, track, corrections=source.corrections())
    if not any(board.entries for board in boards):
        raise RequestError(no_run(records, store, dataset, track))
    runs_by_name = members([_named(run, boards, source.store) for run in runs], records)
    for warning in source.warnings:
        say(f"warning: {warning}")
    first_runs = {name: of_name[0] for name, of_name in runs_by_name.items()}
    record = next(iter(first_runs.values()))
    metrics = session.catalog.metrics.of(record.space.label_space(), record.space.rank)
    scored = {name: by_seed(of_name, source, metrics) for name, of_name in runs_by_name.items()}
    lines, averaged = _lines(scored)
    base, means = together(Side(lines[0].scored, record.spec.model in floor_names), Side(averaged))
    comparisons = correct(
        {line.name: differences(base, means, metrics.headline) for line in lines if line.against}
    )
    if as_json:
        show_json({"lines": lines_as_json(lines, comparisons)})
        return
    title = f"{record.track.dataset} · {record.track.task} · {record.track.protocol}"
    show_lines(title, lines, comparisons, metrics, "runs", _caveats(first_runs))
    say_next(store, "leaderboard")


def _lines(scored: Mapping[str, Mapping[int, Scored]]) -> tuple[list[Line], dict[int, Scored]]:
    """A line for each member and for the means; and the mean over members, seed by seed."""
    from merbench.analyses.ensemble import mean, seed_by_seed
    from merbench.api.errors import RequestError
    from merbench.report.scores.paired import Line

    lines = [Line(name, seeds) for name, seeds in scored.items()]
    averaged = seed_by_seed(scored)
    if len(scored) == len(averaged) == 1:
        raise RequestError(
            f"there is one run of {lines[0].name}, so that there is nothing to average; "
            "name other runs too"
        )
    if len(scored) > 1:
        lines.append(Line("mean, seed by seed", averaged, against=lines[0].name))
    if len(averaged) > 1:
        # One outcome without spread over seeds, so nothing is tested.
        over_seeds = {min(averaged): mean(list(averaged.values()))}
        lines.append(Line(f"mean over {len(averaged)} seeds too", over_seeds))
    return lines, averaged


def _caveats(first_runs: Mapping[str, Record]) -> list[str]:
    """What a reader has to know of the members: accepted leaks, and caveats of their models."""
    leaks = [
        f"{name}: LEAKS {', '.join(record.track.leaks)}"
        for name, record in first_runs.items()
        if record.track.leaks
    ]
    caveats = [f"{r.spec.model}: {r.caveat}" for r in first_runs.values() if r.caveat]
    return [*leaks, *dict.fromkeys(caveats)]


def _named(run: str, boards: Sequence[Board], store: Store) -> Record:
    """A run of the row of that name, or the run of that id."""
    from merbench.api.errors import RequestError
    from merbench.report.scores.no_run import no_row
    from merbench.report.scores.rows.entries import rows_named

    entries = [e for board in boards for e in board.entries]
    rows = [e for e in rows_named(run, entries) if e.done]
    if len(rows) > 1 and len({e.name for e in rows}) == 1:
        tracks = "; ".join(b.title for b in boards if any(e in b.entries for e in rows))
        raise RequestError(
            f"{run} is on {len(rows)} tracks ({tracks}); "
            "choose one with --dataset and --track, or give run ids"
        )
    if len(rows) == 1:
        return rows[0].done[0]
    run_id = run.rpartition("(")[2].rstrip(")")  # as the table of an ensemble names its members
    if set(run_id) <= set("0123456789abcdef"):
        return store.find(run_id)
    raise RequestError(no_row(run, entries))
