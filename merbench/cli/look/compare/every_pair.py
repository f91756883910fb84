"""``merbench compare --all``: every model of a track against every other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from merbench.cli.look.compare.metric import chosen_metric
from merbench.cli.shared.output import plain_table, room, say, show, show_json
from merbench.report.tables.numbers import signed

if TYPE_CHECKING:
    from merbench.api.declarations.metrics import MetricFacts
    from merbench.report.scores.paired_differences import Difference
    from merbench.report.scores.rows.entries import Board
    from merbench.report.scores.rows.pooled_seeds import Scored
    from merbench.report.scores.runs_of_a_store import StoreSource

SHOWN = 40
"""So many models stand in a matrix at most: nobody reads a larger one."""
Differences = Mapping[tuple[str, str], "Difference"]


def every_pair(
    boards: Sequence[Board], source: StoreSource, metric: str | None, as_json: bool
) -> None:
    """One matrix a board, or one JSON list; p-values are corrected over all pairs of a board."""
    from merbench.report.scores.compare import matrix

    tracks: list[dict[str, Any]] = []
    any_pair = False
    too_few_seeds = []
    for board in boards:
        chosen = chosen_metric(metric, board)
        scored = _scored(board, source, chosen)
        order = _order(board, scored, chosen)
        differences = matrix({name: scored[name] for name in order}, chosen)
        if differences and _smallest_p(scored) >= 0.05:
            too_few_seeds.append(board.title)
        any_pair = any_pair or bool(differences)
        if as_json:
            tracks.append(_as_json(board, chosen, order, differences))
        else:
            _print(board.title, board.metrics[chosen], order, differences)
    if as_json:
        show_json(tracks)
    elif any_pair:
        _print_notes(too_few_seeds)


def _as_json(
    board: Board, metric: str, order: Sequence[str], differences: Differences
) -> dict[str, Any]:
    return {
        "track": board.track.model_dump(mode="json"),
        "metric": metric,
        "models": list(order),
        "pairs": [{"a": a, "b": b, **d.as_json()} for (a, b), d in differences.items()],
    }


def _scored(board: Board, source: StoreSource, metric: str) -> dict[str, Mapping[int, Scored]]:
    """Model -> seed -> its score by ``metric``, without floors and ablations."""
    from merbench.report.scores.rows.pooled_seeds import by_seed

    scored: dict[str, Mapping[int, Scored]] = {}
    for entry in board.entries:
        if not entry.floor and not entry.ablation:
            scored[entry.name] = by_seed(
                entry.records, source, board.metrics, board.folds, [metric]
            )
    return {name: seeds for name, seeds in scored.items() if seeds}


def _order(board: Board, scored: Mapping[str, Mapping[int, Scored]], metric: str) -> list[str]:
    """The models, the best first."""
    from merbench.report.scores.board.board_scores import ranked
    from merbench.report.scores.rows.pooled_seeds import summary

    summaries = {name: summary(seeds) for name, seeds in scored.items()}
    return ranked(summaries, board.metrics[metric])


def _smallest_p(scored: Mapping[str, Mapping[int, Scored]]) -> float:
    """The smallest two-sided p that a sign-flip test of so many seeds can have."""
    return float(2 / 2 ** max(map(len, scored.values())))


def _print(title: str, metric: MetricFacts, order: Sequence[str], differences: Differences) -> None:
    if len(order) < 2:
        say(f"{title}: nothing to compare ({len(order) or 'no'} model beside its floors)")
        return
    unit = " (%)" if metric.scale == 100 else ""
    heading = f"{title}\n{metric.name}{unit}: row minus column"
    if len(order) > SHOWN:
        heading += f"; the best {SHOWN} of {len(order)} models, --json has all"
        order = order[:SHOWN]
    for columns in _blocks(order):
        table = plain_table(heading)
        table.add_column("model", no_wrap=True)
        for index in columns:
            table.add_column(str(index + 1), justify="right", no_wrap=True)
        for index, name in enumerate(order):
            cells = [_cell(differences.get((name, order[to])), metric) for to in columns]
            if any(cells) or index in columns:
                table.add_row(f"{index + 1} {name}", *cells)
        show(table)
        heading = ""


def _cell(difference: Difference | None, metric: MetricFacts) -> str:
    if difference is None:
        return ""
    return f"{signed(difference.mean, metric)}{'*' if difference.significant else ''}"


def _blocks(order: Sequence[str]) -> list[range]:
    """Which columns of a matrix stand beside each other in the width of a terminal: their numbers
    are its headings.
    """
    wide, width = 9, room()
    fit = (
        max(1, len(order))
        if width is None
        else max(1, (width - max(map(len, order), default=0) - 5) // wide)
    )
    return [
        range(first, min(first + fit, len(order))) for first in range(1, max(len(order), 2), fit)
    ]


def _print_notes(too_few_seeds: Sequence[str]) -> None:
    say(
        "* significant: the interval's p, Holm-corrected over all pairs, "
        "and the sign-flip p over seeds are under .05"
    )
    if too_few_seeds:
        say(
            f"too few seeds for a sign-flip p under .05 on {'; '.join(too_few_seeds)}: "
            "run six or more"
        )
