"""``merbench compare A B``: paired differences, the rows that differ most, and calibration."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from merbench.api.plural import count_of
from merbench.cli.look.compare.metric import chosen_metric
from merbench.cli.shared.output import BETWEEN, plain_table, room, say, show, show_json
from merbench.cli.shared.session import Session
from merbench.report.tables.numbers import signed, signed_interval

if TYPE_CHECKING:
    import numpy as np
    from rich.table import Table

    from merbench.report.scores.compare import Disagreement
    from merbench.report.scores.paired_differences import Difference
    from merbench.report.scores.rows.entries import Board
    from merbench.report.scores.runs_of_a_store import StoreSource


LEAST = 20
"""Columns of a transcript at least."""


@dataclass(frozen=True)
class Comparison:
    """``names[0]`` minus ``names[1]`` on ``seeds``. ``disagreements``: the rows that differ most;
    ``texts``: their transcripts by id. ``curves``: model -> (mean prediction, mean target) of
    tenths of the rows.
    """

    board: Board
    names: tuple[str, str]
    seeds: list[int]
    differences: dict[str, Difference]
    disagreements: list[Disagreement]
    texts: dict[str, str]
    curves: dict[str, list[tuple[float, float]]]


def two_models(
    session: Session,
    boards: list[Board],
    source: StoreSource,
    names: tuple[str, str],
    metric: str | None,
    rows: int,
    plot: Path | None,
    data: Path | None,
    as_json: bool,
) -> None:
    """Print the comparison; ``plot``: draw the calibration of both there."""
    from merbench.api.errors import RequestError
    from merbench.report.scores.calibration import calibration
    from merbench.report.scores.compare import (
        disagreements,
        nothing_in_common,
        sides_of_one_track,
        together,
    )
    from merbench.report.scores.paired_differences import correct, differences

    board, a, b = sides_of_one_track(boards, source, names, "--dataset and --track")
    ranking = chosen_metric(metric, board)
    seeds_a, seeds_b = together(a, b)
    if not seeds_a:
        raise RequestError(nothing_in_common(dict(zip(names, (a, b), strict=True)), board.folds))
    metrics = [metric] if metric else board.metrics.headline
    tests = correct({names[0]: differences(seeds_b, seeds_a, metrics)})
    compared = Comparison(
        board,
        names,
        sorted(seeds_a),
        tests[names[0]],
        disagreements(seeds_a, seeds_b, rows),
        _texts(session, board, data) if rows else {},
        {n: calibration(s, ranking) for n, s in zip(names, (seeds_a, seeds_b), strict=True)},
    )
    if plot:
        from merbench.report.pictures import plots
        from merbench.results.files import write_output

        write_output(plot, plots.calibration(board.title, compared.curves))
        say(f"calibration: {plot}")
    if as_json:
        show_json(_as_json(compared))
    else:
        _print(compared)


def _texts(session: Session, board: Board, data: Path | None) -> dict[str, str]:
    """Transcripts by row id, where the user has the data."""
    from merbench.api.errors import MerbenchError

    try:
        corpus = session.dataset(board.track.dataset, data)
    except MerbenchError:
        return {}
    return dict(zip(corpus.ids.tolist(), corpus.texts.tolist(), strict=True))


def _as_json(compared: Comparison) -> dict[str, Any]:
    rows = [
        {
            "id": row.id,
            "target": _json_value(row.target),
            "a": row.a.tolist(),
            "b": row.b.tolist(),
            "text": compared.texts.get(row.id, ""),
        }
        for row in compared.disagreements
    ]
    return {
        "track": compared.board.track.model_dump(mode="json"),
        "a": compared.names[0],
        "b": compared.names[1],
        "seeds": compared.seeds,
        "difference": {m: d.as_json() for m, d in compared.differences.items()},
        "disagree": rows,
        "calibration": compared.curves,
    }


def _json_value(target: np.ndarray) -> Any:
    """As JSON takes it: a cell that is not known is null."""
    value = target.tolist()
    return [None if v != v else v for v in value] if isinstance(value, list) else value


def _print(compared: Comparison) -> None:
    show(_differences(compared))
    if compared.disagreements:
        show(_disagreements(compared))
    show(_calibration(compared))
    say(
        "interval: bootstrap over seeds and videos; p: exact paired sign-flip over seeds; "
        "a difference is significant where both are"
    )


def _differences(compared: Comparison) -> Table:
    a, b = compared.names
    seeds = count_of(len(compared.seeds), "seed")
    title = f"{compared.board.title}\n{a} minus {b}, {seeds}"
    table = plain_table(title, ("metric",), ("difference", "95 % interval", "p (seeds)"))
    for metric, d in compared.differences.items():
        facts = compared.board.metrics[metric]
        name = f"{metric} (%)" if facts.scale == 100 else metric
        finer = replace(facts, digits=facts.digits + 1)
        ends = signed_interval((d.low, d.high), finer)
        table.add_row(name, signed(d.mean, finer), ends, f"{d.p:.4f}")
    return table


def _disagreements(compared: Comparison) -> Table:
    title = "rows on which they disagree most (means over seeds)"
    headings = ("id", "target", *compared.names)
    table = plain_table(title, headings[:1], headings[1:])
    rows = [
        (row.id, *(_numbers(values) for values in (row.target, row.a, row.b)))
        for row in compared.disagreements
    ]
    width = room()
    if width is None:
        table.add_column("transcript")
    else:
        longest = [max(map(len, column)) for column in zip(headings, *rows, strict=True)]
        left = max(width - sum(longest) - BETWEEN * (len(longest) + 1), LEAST)
        table.add_column("transcript", width=left, no_wrap=True, overflow="ellipsis")
    for cells in rows:
        table.add_row(*cells, compared.texts.get(cells[0], "") or "–")
    return table


def _calibration(compared: Comparison) -> Table:
    headings = [f"{n}: {w}" for n in compared.names for w in ("predicted", "target")]
    title = "calibration: mean prediction and mean target of tenths of the rows"
    table = plain_table(title, right=headings)
    for points in zip(*compared.curves.values(), strict=False):
        table.add_row(*(f"{value:.2f}" for pair in points for value in pair))
    return table


def _numbers(value: Any) -> str:
    import numpy as np

    return ", ".join("–" if np.isnan(v) else f"{v:.2f}" for v in np.atleast_1d(value))
