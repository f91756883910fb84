"""``merbench compare``: two models on the same seeds and rows, or all of a track against each
other.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from merbench.cli.shared.completion import complete_dataset
from merbench.cli.shared.options import typed
from merbench.cli.shared.output import say, show, show_json
from merbench.cli.shared.session import Session

if TYPE_CHECKING:
    import numpy as np

    from merbench.report.scores.compare import Disagreement, Side
    from merbench.report.scores.entries import Board
    from merbench.report.scores.paired import Difference
    from merbench.report.scores.source import StoreSource


@click.command("compare")
@click.argument("a", required=False)
@click.argument("b", required=False)
@click.option(
    "--all",
    "every",
    is_flag=True,
    help="Every model of each track against every other, corrected over all pairs.",
)
@click.option(
    "--metric", help="One metric.  [default: the headline ones; with --all the one that ranks]"
)
@click.option("--dataset", shell_complete=complete_dataset, help="Only this data set.")
@click.option("--track", help="Only tracks whose title holds this, such as folds.")
@click.option(
    "--rows",
    default=5,
    show_default=True,
    type=click.IntRange(0),
    help="So many rows on which the two disagree most.",
)
@click.option(
    "--plot",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE.svg",
    help="Calibration of both models.",
)
@click.option(
    "--data",
    type=click.Path(path_type=Path),
    help="Where data sets lie (also MERBENCH_DATA), for transcripts.",
)
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
    a: str | None,
    b: str | None,
    every: bool,
    metric: str | None,
    dataset: str | None,
    track: str | None,
    rows: int,
    plot: Path | None,
    data: Path | None,
    store: Path,
    as_json: bool,
) -> None:
    """Paired differences of A and B: rows of merbench leaderboard by name, or run ids with commas
    between.

    Each difference is A less B, with a 95 % interval over seeds and videos and an exact sign-flip p
    over seeds.

    \b
    Example: merbench compare merclip "merclip no-label-encoder" --dataset mosi --track standard
             merbench compare merclip ridge --metric mae --plot calibration.svg
             merbench compare --all --dataset mosi
    """
    from merbench.api.errors import RequestError
    from merbench.bench.recipes import floors
    from merbench.report.scores.entries import collect
    from merbench.report.scores.source import StoreSource
    from merbench.results.store import Store

    if every == bool(a) or bool(a) != bool(b):
        raise RequestError("give two models, such as merbench compare merclip mult, or --all alone")
    given = typed(click.get_current_context())
    if every and (unused := [given[k] for k in ("rows", "plot", "data") if k in given]):
        raise RequestError(f"{unused[0]} is for two models; leave it out beside --all")
    source = StoreSource(Store(store))
    catalog = session.catalog
    boards = collect(
        source.records(), floors(catalog), dataset, track, catalog.metrics, source.corrections()
    )
    if not boards:
        raise RequestError(
            f"no finished run of that kind in the store {store}; merbench run makes some"
        )
    if every:
        _all(boards, source, metric, as_json)
    else:
        assert a and b
        _two(session, boards, source, (a, b), metric, rows, plot, data, as_json)


def _chosen(metric: str | None, board: Board) -> str:
    """The metric that was asked for, or the one that ranks."""
    from merbench.api.errors import RequestError
    from merbench.host.catalog import unknown

    if metric and metric not in board.metrics:
        known = list(board.metrics)
        raise RequestError(unknown("metric", metric, known, f"--metric of a {board.kind} task"))
    return metric or board.metrics.ranking


def _two(
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
    from merbench.report.scores.compare import calibration, disagreements, together
    from merbench.report.scores.paired import differences

    board, a, b = _sides(boards, source, names)
    ranking = _chosen(metric, board)
    ours, theirs = together(a, b)
    if not ours:
        from merbench.api.errors import RequestError

        raise RequestError(
            f"{names[0]} and {names[1]} have no seed in common; run both on the same seeds"
        )
    difference_by_metric = differences(theirs, ours, [metric] if metric else board.metrics.headline)
    apart = disagreements(ours, theirs, rows)
    curves = {
        name: calibration(scored, ranking)
        for name, scored in zip(names, (ours, theirs), strict=True)
    }
    texts = _texts(session, board, data) if rows else {}
    if plot:
        from merbench.report.pictures import plots
        from merbench.results.files import write_output

        write_output(plot, plots.calibration(board.title, curves))
        say(f"calibration: {plot}")
    if as_json:
        disagreeing_rows = [
            {
                "id": d.id,
                "target": _known(d.target),
                "a": d.a.tolist(),
                "b": d.b.tolist(),
                "text": texts.get(d.id, ""),
            }
            for d in apart
        ]
        show_json(
            {
                "track": board.track.model_dump(mode="json"),
                "a": names[0],
                "b": names[1],
                "seeds": sorted(ours),
                "difference": {m: d.as_json() for m, d in difference_by_metric.items()},
                "disagree": disagreeing_rows,
                "calibration": curves,
            }
        )
        return
    _show_two(board, names, len(ours), difference_by_metric, apart, texts, curves)


def _sides(
    boards: list[Board], source: StoreSource, names: tuple[str, str]
) -> tuple[Board, Side, Side]:
    """The one track that has both."""
    from merbench.api.errors import RequestError
    from merbench.cli.look.leaderboard.boards import no_row
    from merbench.report.scores.compare import side

    on_both = []
    for board in boards:
        a, b = (side(board, source, name) for name in names)
        if a and b and a.seeds and b.seeds:
            on_both.append((board, a, b))
    if not on_both:
        for name in names:
            if not any(side(board, source, name) for board in boards):
                raise RequestError(no_row(name, [e for b in boards for e in b.entries]))
        raise RequestError(
            f"{names[0]} and {names[1]} are on no common track, "
            "so nothing between them can be compared"
        )
    if len(on_both) > 1:
        titles = "; ".join(board.title for board, _, _ in on_both)
        raise RequestError(
            f"both are on {len(on_both)} tracks ({titles}); choose one with --dataset and --track"
        )
    return on_both[0]


def _texts(session: Session, board: Board, data: Path | None) -> dict[str, str]:
    """Transcripts by row id, where the user has the data."""
    from merbench.api.errors import MerbenchError

    try:
        corpus = session.dataset(board.track.dataset, data)
    except MerbenchError:
        return {}
    return dict(zip(corpus.ids.tolist(), corpus.texts.tolist(), strict=True))


def _show_two(
    board: Board,
    names: tuple[str, str],
    seeds: int,
    difference_by_metric: dict[str, Difference],
    apart: list[Disagreement],
    texts: dict[str, str],
    curves: dict[str, list[tuple[float, float]]],
) -> None:
    from rich.table import Table

    def table(title: str, *headings: str) -> Table:
        empty_table = Table(title=title, title_justify="left", box=None, padding=(0, 2, 0, 0))
        empty_table.add_column(headings[0])
        for heading in headings[1:]:
            empty_table.add_column(heading, justify="left" if heading == "transcript" else "right")
        return empty_table

    drawn = table(
        f"{board.title}\n{names[0]} minus {names[1]}, {seeds} seed{'s' * (seeds > 1)}",
        "metric",
        "difference",
        "95 % interval",
        "p (seeds)",
    )
    for metric, d in difference_by_metric.items():
        drawn.add_row(metric, f"{d.mean:+.4f}", d.ends(4), f"{d.p:.4f}")
    show(drawn)
    if apart:
        drawn = table(
            "rows on which they disagree most (means over seeds)",
            "id",
            "target",
            names[0],
            names[1],
            "transcript",
        )
        for row in apart:
            drawn.add_row(
                row.id,
                *(_said(v) for v in (row.target, row.a, row.b)),
                texts.get(row.id, "") or "–",
            )
        show(drawn)
    drawn = table(
        "calibration: mean prediction and mean target of tenths of the rows",
        *(f"{n}: {w}" for n in names for w in ("predicted", "target")),
    )
    for points in zip(*curves.values(), strict=False):
        drawn.add_row(*(f"{v:.2f}" for pair in points for v in pair))
    show(drawn)
    say(
        "interval: bootstrap over seeds and videos; p: exact paired sign-flip over seeds; "
        "a difference is significant where both are"
    )


def _known(target: np.ndarray) -> Any:
    """As JSON takes it: a cell that is not known is null."""
    value = target.tolist()
    return [None if v != v else v for v in value] if isinstance(value, list) else value


def _said(value: Any) -> str:
    import numpy as np

    return ", ".join("–" if np.isnan(v) else f"{v:.2f}" for v in np.atleast_1d(value))


def _blocks(order: list[str]) -> list[range]:
    """Which columns of a matrix stand beside each other in the width of a terminal: their numbers
    are its headings.
    """
    from merbench.cli.shared.output import room

    wide, width = 9, room()
    fit = (
        max(1, len(order))
        if width is None
        else max(1, (width - max(map(len, order), default=0) - 5) // wide)
    )
    return [range(at, min(at + fit, len(order))) for at in range(1, max(len(order), 2), fit)]


def _all(boards: list[Board], source: StoreSource, metric: str | None, as_json: bool) -> None:
    from rich.table import Table

    from merbench.report.scores.board_scores import ranked
    from merbench.report.scores.compare import matrix
    from merbench.report.scores.summary import by_seed, summary

    tracks, blind = [], []
    for board in boards:
        chosen = _chosen(metric, board)
        scored = {
            e.name: s
            for e in board.entries
            if not e.floor
            and not e.ablation
            and (s := by_seed(e.records, source, board.metrics, board.folds))
        }
        order = ranked({name: summary(s) for name, s in scored.items()}, board.metrics[chosen])
        difference_by_pair = matrix({name: scored[name] for name in order}, chosen)
        if difference_by_pair and 2 / 2 ** max(map(len, scored.values())) >= 0.05:
            blind.append(board.title)
        pairs = [{"a": a, "b": b, **d.as_json()} for (a, b), d in difference_by_pair.items()]
        tracks.append(
            {
                "track": board.track.model_dump(mode="json"),
                "metric": chosen,
                "models": order,
                "pairs": pairs,
            }
        )
        if as_json:
            continue
        if len(order) < 2:
            say(f"{board.title}: nothing to compare ({len(order) or 'no'} model beside its floors)")
            continue
        title = f"{board.title}\n{chosen}: row minus column"
        for columns in _blocks(order):
            drawn = Table(title=title, title_justify="left", box=None, padding=(0, 2, 0, 0))
            drawn.add_column("model", no_wrap=True)
            for at in columns:
                drawn.add_column(str(at + 1), justify="right", no_wrap=True)
            for at, name in enumerate(order):
                cells = [
                    (
                        f"{d.mean:+.3f}{'*' if d.significant else ''}"
                        if (d := difference_by_pair.get((name, order[to])))
                        else ""
                    )
                    for to in columns
                ]
                if any(cells) or at in columns:
                    drawn.add_row(f"{at + 1} {name}", *cells)
            show(drawn)
            title = ""
    if as_json:
        show_json(tracks)
    elif any(track["pairs"] for track in tracks):
        say(
            "* significant: the interval's p, Holm-corrected over all pairs, "
            "and the sign-flip p over seeds are under .05"
        )
        if blind:
            say(
                f"no sign-flip p can be that small from so few seeds on {'; '.join(blind)}: "
                "run six or more"
            )
