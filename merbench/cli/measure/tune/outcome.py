"""What ``merbench tune`` prints and draws of a search."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from merbench.api.plural import count_of
from merbench.bench.bench import label
from merbench.cli.shared.output import plain_table, room, say, say_next, show, show_json

if TYPE_CHECKING:
    from rich.table import Table

    from merbench.bench.bench import Bench
    from merbench.engine.plan.plan import Plan
    from merbench.report.scores.rows.pooled_seeds import Scored
    from merbench.results.records.record import Record
    from merbench.tuning.shared_search import SearchResult, SharedSearch


def draw(joined: SharedSearch, folder: Path) -> None:
    from merbench.results.files import write_output
    from merbench.tuning.figures import figures

    for name, picture in figures(joined).items():
        write_output(folder / name, picture)
        say(f"wrote {folder / name}")


def report(
    bench: Bench,
    plan: Plan,
    tuned: SearchResult,
    final: Mapping[str, Sequence[Record]],
    storage: str | None,
) -> None:
    """stdout: what was found and, where there are final runs, the scores; or one JSON object."""
    from merbench.report.scores.rows.pooled_seeds import by_seed
    from merbench.tuning.storage import without_password

    scored = {name: by_seed(records, bench.store, plan.metrics) for name, records in final.items()}
    if bench.options.as_json:
        show_json(_as_json(plan, tuned, final, scored))
        return
    show(_settings(plan, tuned))
    _say_how_it_went(tuned)
    if final:
        _show_scores(plan, scored)
        say_next(bench.options.store, "leaderboard")
        return
    place = without_password(storage) if storage else bench.options.store
    say(f"the search is kept in {place}, and the same command continues it")
    say(
        "the same command with --final-seeds 10 runs both settings on ten fresh seeds and "
        "scores them on the test rows"
    )


def _as_json(
    plan: Plan,
    tuned: SearchResult,
    final: Mapping[str, Sequence[Record]],
    scored: Mapping[str, Mapping[int, Scored]],
) -> dict[str, Any]:
    from merbench.report.scores.rows.pooled_seeds import summary
    from merbench.report.scores.statistics.means import summaries_as_json

    runs = {
        name: {
            "runs": [record.run_id for record in records],
            "summary": summaries_as_json(summary(scored[name])),
        }
        for name, records in final.items()
    }
    return {"track": plan.track.model_dump(mode="json"), **asdict(tuned), "final": runs}


def _say_how_it_went(tuned: SearchResult) -> None:
    complete = tuned.trials - tuned.pruned - tuned.failed
    say(
        f"search {tuned.search}: {count_of(tuned.trials, 'trial')} ({complete} complete, "
        f"{tuned.pruned} pruned, {tuned.failed} failed) "
        f"in {tuned.seconds:.0f} s of training, {tuned.seconds / tuned.trials:.1f} s each"
    )
    if tuned.sampler != "random":
        say(f"{tuned.proposals} of them were proposed by {tuned.sampler}'s model, not by chance")


def _show_scores(plan: Plan, scored: Mapping[str, Mapping[int, Scored]]) -> None:
    from merbench.report.scores.rows.pooled_seeds import row_counts, summary
    from merbench.report.tables import board
    from merbench.report.tables.terminal import table

    scores = {name: summary(seeds) for name, seeds in scored.items()}
    name_of_cell = {"tuned": "tuned", "default": "untuned"}  # as on the boards
    rows = [board.model_row(f"{label(plan)} {name_of_cell[name]}", s) for name, s in scores.items()]
    notes = []
    if scored["tuned"]:
        counts = row_counts(scored["tuned"])
        notes = board.notes(plan.task.space.kind, scores["tuned"], counts)
    show(table(plan.track.title, board.columns(plan.metrics), rows, notes=notes, width=room()))


def _settings(plan: Plan, tuned: SearchResult) -> Table:
    """Setting by setting, default against tuned; the scores on the validation rows below."""
    sheet = plain_table()
    sheet.add_column(f"{label(plan)}: setting", no_wrap=True)
    sheet.add_column("default", justify="right")
    sheet.add_column(f"tuned (trial {tuned.best})", justify="right")
    for name, value in tuned.settings.items():
        default = tuned.default_settings[name]
        sheet.add_row(name, _shown(default), _shown(value), style="" if value != default else "dim")
    sheet.add_section()
    sheet.add_row(f"valid {tuned.metric}", _shown(tuned.default), _shown(tuned.value), style="bold")
    return sheet


def _shown(value: Any) -> str:
    if value is None:
        return "–"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
