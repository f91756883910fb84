"""``merbench.ensemble``: the mean of what finished runs predict."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from merbench.api.errors import RequestError
from merbench.bench.python_function import python_function
from merbench.bench.python_session import catalog
from merbench.functions.scores_and_differences import lines_frame
from merbench.terminal.messages import say

if TYPE_CHECKING:
    import pandas as pd

    from merbench.host.catalog import Catalog
    from merbench.report.scores.paired_differences import Difference, Line
    from merbench.report.scores.rows.entries import Board
    from merbench.report.scores.rows.pooled_seeds import Scored
    from merbench.results.metrics import TaskMetrics
    from merbench.results.records.record import Record, Track
    from merbench.results.store.store import Store


@dataclass(frozen=True)
class Ensemble:
    """``lines``: each member, the mean over members seed by seed, and over the seeds too.
    ``differences``: line -> metric -> the paired difference from the first member. ``caveats``:
    accepted leaks, and what has to be known of the members' models.
    """

    track: Track
    metrics: TaskMetrics
    lines: list[Line]
    differences: Mapping[str, Mapping[str, Difference]]
    caveats: list[str]

    def to_pandas(self) -> pd.DataFrame:
        """One row a line, with its difference from the first member."""
        return lines_frame(self.lines, self.differences, "runs")


@python_function
def ensemble(
    runs: Sequence[str],
    dataset: str | None = None,
    track: str | None = None,
    store: str | Path = "runs",
) -> Ensemble:
    """Average the predictions of finished ``runs``: rows of the leaderboard by name, or runs by
    id or file, each with all its seeds, scored on the same test rows.

    RequestError for what is no row or run, and where there is nothing to average. Example::

        merbench.ensemble(["merclip", "tfn"], "mosi").to_pandas()
    """
    return ensembled(runs, Path(store), dataset, track, catalog(), say)


def ensembled(
    runs: Sequence[str],
    store: Path,
    dataset: str | None,
    track: str | None,
    catalog: Catalog,
    report: Callable[[str], object],
) -> Ensemble:
    """What the function and the command share."""
    from merbench.analyses.ensemble import members
    from merbench.bench.floors import floors
    from merbench.report.scores.compare import Side, together
    from merbench.report.scores.missing_runs import no_run
    from merbench.report.scores.paired_differences import correct, differences
    from merbench.report.scores.rows.entries import collect
    from merbench.report.scores.rows.pooled_seeds import by_seed
    from merbench.report.scores.runs_of_a_store import StoreSource
    from merbench.results.store.store import Store

    if not runs:
        raise RequestError("no runs are named, whose predictions could be averaged; name some")
    source = StoreSource(Store(store))
    records, floor_names = source.records(), floors(catalog)
    boards = collect(records, floor_names, dataset, track, corrections=source.corrections())
    if not any(board.entries for board in boards):
        raise RequestError(no_run(records, store, dataset, track))
    runs_by_name = members([_named(run, boards, source.store) for run in runs], records)
    for warning in source.warnings:
        report(f"warning: {warning}")
    first_runs = {name: of_name[0] for name, of_name in runs_by_name.items()}
    record = next(iter(first_runs.values()))
    metrics = catalog.metrics.of(record.space.label_space(), record.space.rank)
    scored = {name: by_seed(of_name, source, metrics) for name, of_name in runs_by_name.items()}
    lines, averaged = _lines(scored)
    base, means = together(Side(lines[0].scored, record.spec.model in floor_names), Side(averaged))
    compared = correct(
        {line.name: differences(base, means, metrics.headline) for line in lines if line.against}
    )
    return Ensemble(record.track, metrics, lines, compared, _caveats(first_runs))


def _lines(scored: Mapping[str, Mapping[int, Scored]]) -> tuple[list[Line], dict[int, Scored]]:
    """A line for each member and for the means; and the mean over members, seed by seed."""
    from merbench.analyses.ensemble import mean, seed_by_seed
    from merbench.report.scores.paired_differences import Line

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
    """A run of the row of that name, or the run that is named as ``as_run_ids`` takes it."""
    from merbench.report.scores.missing_runs import no_row
    from merbench.report.scores.rows.entries import rows_named
    from merbench.results.store.run_names import as_run_ids

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
    run_id = as_run_ids(store, run_id)
    if set(run_id) <= set("0123456789abcdef"):
        return store.find(run_id)
    raise RequestError(no_row(run, entries))
