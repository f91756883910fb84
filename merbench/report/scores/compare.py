"""Two models of one track side by side: where they differ, and on which rows most."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from merbench.api.errors import RequestError
from merbench.report.scores.missing_runs import no_row
from merbench.report.scores.paired_differences import Difference
from merbench.report.scores.rows.entries import Board, rows_named
from merbench.report.scores.rows.pooled_seeds import Scored, by_seed
from merbench.report.scores.runs_of_a_store import Source
from merbench.report.scores.statistics.every_pair import every_pair
from merbench.report.scores.statistics.intervals import Resampler
from merbench.report.scores.statistics.stacks import Models
from merbench.report.scores.statistics.threads import one_thread
from merbench.results.records.record import Record

Seeds = Mapping[int, Scored]


@dataclass(frozen=True)
class Side:
    """One of two models. ``floor``: where it has one run, which is the same for every seed, that
    may stand for each.
    """

    seeds: Seeds
    floor: bool = False
    run_ids: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Disagreement:
    """One test row: its target, and both models' predictions, means over seeds."""

    id: str
    target: np.ndarray
    a: np.ndarray
    b: np.ndarray


def side(board: Board, source: Source, text: str) -> Side | None:
    """A row as any table names it, or the runs whose ids stand in ``text`` with commas between;
    None where there is no such thing, or there are several.
    """
    rows = rows_named(text, board.entries) or rows_named(text, board.superseded)
    if len(rows) == 1:
        return _side(rows[0].records, rows[0].floor, board, source)
    ids = {part.strip() for part in text.split(",")}
    runs = [(r, e.floor) for e in board.all_entries for r in e.records if r.run_id in ids]
    records = tuple(r for r, _ in runs)
    if {r.run_id for r in records} != ids:
        return None
    if len({r.spec.model_dump_json() for r in records}) > 1:
        raise RequestError(f"the runs {text} are of several specs; give runs of one")
    return _side(records, all(floor for _, floor in runs), board, source)


def _side(records: Sequence[Record], floor: bool, board: Board, source: Source) -> Side:
    seeds = by_seed(records, source, board.metrics, board.folds)
    return Side(seeds, floor, frozenset(record.run_id for record in records))


def sides_of_one_track(
    boards: Sequence[Board], source: Source, names: tuple[str, str], choose_with: str
) -> tuple[Board, Side, Side]:
    """The one track that has both. RequestError where there is none or several, or where both are
    the same runs. ``choose_with``: how the user names a track, for that sentence.
    """
    on_both: list[tuple[Board, Side, Side]] = []
    unfinished: list[tuple[Board, Side, Side]] = []
    for board in boards:
        a, b = (side(board, source, name) for name in names)
        if a and b:
            (on_both if a.seeds and b.seeds else unfinished).append((board, a, b))
    if not on_both:
        raise RequestError(_why_on_no_track(boards, source, names, unfinished))
    if len(on_both) > 1:
        titles = "; ".join(board.title for board, _, _ in on_both)
        raise RequestError(
            f"both are on {len(on_both)} tracks ({titles}); choose one with {choose_with}"
        )
    _, a, b = on_both[0]
    if a.run_ids & b.run_ids:
        raise RequestError(
            f"{names[0]} and {names[1]} are the same runs, which do not differ; name another row"
        )
    return on_both[0]


def _why_on_no_track(
    boards: Sequence[Board],
    source: Source,
    names: tuple[str, str],
    unfinished: Sequence[tuple[Board, Side, Side]],
) -> str:
    tracks = {
        name: " and ".join(board.title for board in boards if side(board, source, name))
        for name in names
    }
    for name in names:
        if not tracks[name]:
            return no_row(name, [entry for board in boards for entry in board.entries])
    if unfinished:
        board, a, b = unfinished[0]
        return nothing_in_common(dict(zip(names, (a, b), strict=True)), board.folds)
    for board in boards:
        rows = {name: rows_named(name, board.entries) for name in names}
        several = [name for name, of_name in rows.items() if len(of_name) > 1]
        if several and all(rows.values()):
            return f"on {board.title} {no_row(several[0], board.entries)}"
    first, second = names
    return (
        f"{first} and {second} are on no common track, so nothing between them can be compared: "
        f"{first} is on {tracks[first]}, {second} on {tracks[second]}"
    )


def together(a: Side, b: Side) -> tuple[dict[int, Scored], dict[int, Scored]]:
    """Both on the seeds that they have in common; a floor of one seed is paired with each of the
    other's.
    """
    ours, theirs = _spread(a, b), _spread(b, a)
    seeds = sorted(ours.keys() & theirs.keys())
    return {s: ours[s] for s in seeds}, {s: theirs[s] for s in seeds}


def nothing_in_common(sides: Mapping[str, Side], folds: int) -> str:
    """Why two models have no seed to be compared on, and what brings one. ``folds``: how many runs
    make a seed whole.
    """
    unfinished = [name for name, side in sides.items() if not side.seeds]
    if not unfinished:
        return f"{' and '.join(sides)} have no seed in common; run both on the same seeds"
    verb = "has" if len(unfinished) == 1 else "have"
    whole = f"finished in all {folds} folds" if folds > 1 else "that is finished"
    return (
        f"{' and '.join(unfinished)} {verb} no seed {whole}; "
        "the same merbench run command makes what is missing"
    )


def _spread(model: Side, over: Side) -> Seeds:
    return (
        dict.fromkeys(over.seeds, *model.seeds.values())
        if model.floor and not over.floor and len(model.seeds) == 1
        else model.seeds
    )


@one_thread()
def matrix(sides: Mapping[str, Seeds], metric: str) -> dict[tuple[str, str], Difference]:
    """(row, column) -> row minus column, for each pair once, corrected over all pairs."""
    if len(sides) < 2:
        return {}
    first = next(iter(next(iter(sides.values())).values()))
    formula, rows = first.task[metric].value, first.seen(metric)
    resampler = Resampler(rows.videos)

    def values(name: str) -> np.ndarray:
        predictions = np.stack([s.read_by(metric) for s in sides[name].values()])
        return resampler.values(formula, rows.target, predictions)

    seeds = {name: list(of_model) for name, of_model in sides.items()}
    models = Models(seeds, resampler, resampler.resamples(formula))
    tests = every_pair(models, list(sides), values)
    pairs = {(a, b): tests.of(a, b) for a, b in combinations(sides, 2)}
    return {
        pair: Difference(-t.mean, -t.high, -t.low, t.p, t.p_interval, t.p_adjusted)
        for pair, t in pairs.items()
        if t
    }


def disagreements(a: Seeds, b: Seeds, count: int) -> list[Disagreement]:
    """The rows on which the two differ most, the largest difference first; of equals the first in
    the order of the rows.
    """
    rows = next(iter(a.values())).rows
    ours, theirs = (
        np.mean([s.rows.prediction for s in scored.values()], axis=0) for scored in (a, b)
    )
    apart = np.abs(ours - theirs).reshape(len(ours), -1).sum(axis=1)
    order = np.argsort(-apart, kind="stable")[:count]
    return [Disagreement(rows.ids[i], rows.target[i], ours[i], theirs[i]) for i in order]
