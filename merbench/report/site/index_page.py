"""The list of boards: whose they are, what each found, every model on every track, how to cite and
to contribute.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from merbench.report.scores.board.board_scores import BoardScores
from merbench.report.scores.rows.entries import Board
from merbench.report.site.about import SiteAbout
from merbench.report.site.interval_strip import Strip, strip
from merbench.report.site.run_facts import RunFacts, facts_of_runs, finding
from merbench.report.site.template import render
from merbench.report.site.titles import headline
from merbench.report.tables.numbers import interval, number


@dataclass(frozen=True)
class Place:
    """One board in the list. ``dataset``, ``further``: its title in two lines."""

    folder: str
    dataset: str
    further: str
    finding: str
    models: int
    rows: int
    metric: str
    direction: str
    made: RunFacts
    strip: Strip


@dataclass(frozen=True)
class Best:
    """The best row of a model on a track."""

    row: str
    rank: str
    score: str
    interval: str
    first: bool


def index_page(
    boards: Sequence[tuple[str, Board, BoardScores]],
    about: SiteAbout,
    live: str = "",
    shared: str | None = None,
) -> str:
    """``boards``: folder, board, scores. ``live``: the stamp of the served store; ``shared`` as in
    ``render``.
    """
    places = [_place(folder, board, scores) for folder, board, scores in boards]
    best = [_best_of_models(board, scores) for _, board, scores in boards]
    every = {model for of_board in best for model in of_board}
    models = sorted(every, key=lambda model: _by_presence(model, best))
    records = [r for _, board, _ in boards for e in board.entries for r in e.records]
    return render(
        "index.html",
        shared,
        title=about.title,
        about=about,
        live=live,
        places=places,
        matrix=[(model, [of_board.get(model) for of_board in best]) for model in models],
        made=facts_of_runs(records),
        bibtex=_bibtex(about, facts_of_runs(records)),
    )


def _place(folder: str, board: Board, scores: BoardScores) -> Place:
    return Place(
        folder,
        *headline(board.title),
        finding(board, scores),
        len(scores.standings),
        scores.test_rows,
        scores.ranks_by.title,
        "↑" if scores.ranks_by.higher_is_better else "↓",
        facts_of_runs([r for e in board.entries for r in e.records]),
        strip(board, scores),
    )


def _best_of_models(board: Board, scores: BoardScores) -> dict[str, Best]:
    """Model -> the best of its ranked rows."""
    best: dict[str, Best] = {}
    for name, standing in scores.standings.items():
        row, metric = scores.rows[name], scores.ranks_by
        model = board.by_name[name].first.spec.model
        if model in best or scores.metric not in row.summary:
            continue
        ends = row.intervals.get(scores.metric)
        tied = standing.against and standing.with_the_best
        best[model] = Best(
            name,
            f"{standing.rank}, tied" if tied else str(standing.rank),
            number(row.summary[scores.metric].mean, metric),
            interval(ends, metric) if ends else "",
            standing.rank == 1,
        )
    return best


def _by_presence(model: str, best: Sequence[Mapping[str, Best]]) -> tuple[int, float, str]:
    """Models of most tracks first; of those the ones whose scores are better placed."""
    places = [list(of_board).index(model) / len(of_board) for of_board in best if model in of_board]
    return -len(places), sum(places) / len(places), model


def _bibtex(about: SiteAbout, of_runs: RunFacts) -> str:
    fields = {
        "author": f"{{{about.authors}}}",
        "title": "{merbench}: a plugin-based benchmark suite for multimodal emotion recognition",
        "year": of_runs.last_day[:4],
        "version": of_runs.versions[-1] if of_runs.versions else "",
        "url": about.repository,
    }
    lines = [f"  {name} = {{{value}}}," for name, value in fields.items() if value]
    return "\n".join(["@software{merbench,", *lines, "}"])
