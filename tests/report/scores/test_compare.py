"""Two models side by side: the same seeds, the rows that differ most, groups of equal size."""

from __future__ import annotations

import numpy as np
import pytest

from merbench.api import MetricDef, RequestError
from merbench.report.scores import compare
from merbench.report.scores.calibration import calibration
from merbench.report.scores.compare import (
    Side,
    disagreements,
    matrix,
    nothing_in_common,
    side,
    sides_of_one_track,
    together,
)
from merbench.report.scores.paired_differences import differences
from merbench.report.scores.rows.entries import collect
from merbench.report.scores.rows.pooled_seeds import Scored
from merbench.report.scores.runs_of_a_store import StoreSource
from merbench.report.scores.statistics.p_values import adjusted, sign_flip
from merbench.results.metrics import BUILT_IN
from merbench.results.records.predictions import Predictions
from merbench.results.store.store import Store
from tests.report.made import SPACE, put, spec


@pytest.fixture
def sides(tmp_path):
    store = Store(tmp_path)
    for model, miss in (("a", 0.4), ("b", 0.6), ("c", 0.61)):
        put(store, miss, spec(model), range(6))
    put(store, 1.4, spec("ridge"), [0])
    source = StoreSource(store)
    (board,) = collect(source.records(), {"ridge"})
    return board, source


def test_why_there_is_nothing_to_compare():
    whole, stopped = Side({0: None}), Side({})
    assert nothing_in_common({"a": whole, "b": Side({1: None})}, 5) == (
        "a and b have no seed in common; run both on the same seeds"
    )
    of_folds = nothing_in_common({"tfn": stopped, "ridge": whole}, 5)
    assert of_folds.startswith("tfn has no seed finished in all 5 folds; the same merbench run")
    assert nothing_in_common({"a": stopped, "b": stopped}, 1).startswith(
        "a and b have no seed that is finished;"
    )


def test_sides_are_rows_or_runs_of_one_spec(sides):
    board, source = sides
    runs = board.entries[0].records
    assert (
        list(side(board, source, "a").seeds) == list(range(6)) and side(board, source, "x") is None
    )
    assert list(side(board, source, f"{runs[2].run_id}, {runs[4].run_id}").seeds) == [2, 4]
    with pytest.raises(RequestError, match="several specs"):
        side(board, source, f"{runs[0].run_id},{board.entries[1].records[0].run_id}")


def test_a_row_without_a_whole_seed_is_named_with_what_brings_one(sides, monkeypatch):
    """As a run that was stopped between folds leaves it."""
    board, source = sides
    rows = {"a": Side({}), "b": Side({0: None})}
    monkeypatch.setattr(compare, "side", lambda board, source, name: rows[name])
    with pytest.raises(
        RequestError, match=r"^a has no seed that is finished; the same merbench run"
    ):
        sides_of_one_track([board], source, ("a", "b"), "")


def test_a_row_is_not_compared_with_itself(sides):
    board, source = sides
    a_run = board.entries[0].records[0].run_id
    assert sides_of_one_track([board], source, ("a", "b"), "")[0] is board
    for name in ("a", a_run):
        with pytest.raises(RequestError, match=f"^a and {name} are the same runs"):
            sides_of_one_track([board], source, ("a", name), "")


def test_several_rows_of_a_name_are_told_where_another_track_has_one(tmp_path):
    store = Store(tmp_path)
    for lr in (0.1, 0.01):
        put(store, 0.4, spec("a", lr=lr), range(2))
    put(store, 0.5, spec("b"), range(2))
    put(store, 0.4, spec("a", dataset="elsewhere"), range(2))
    source = StoreSource(store)
    boards = collect(source.records(), set())
    with pytest.raises(RequestError, match=r"^on .* there are several rows of a: 'a \(train\.lr"):
        sides_of_one_track(boards, source, ("a", "b"), "")


def test_a_floor_is_paired_with_every_seed(sides):
    a, ridge = together(side(*sides, "a"), side(*sides, "ridge"))
    assert list(a) == list(ridge) == list(range(6)) and len({id(s) for s in ridge.values()}) == 1


def test_a_model_of_one_seed_counts_as_one_seed(sides):
    board, source = sides
    single = side(board, source, next(r.run_id for r in board.entries[1].records if r.seed == 3))
    for pair in (together(side(*sides, "a"), single), together(single, side(*sides, "a"))):
        assert [list(pairs) for pairs in pair] == [[3], [3]]
    pairs = matrix({"a": side(*sides, "a").seeds, "b": single.seeds}, "mae")
    assert pairs["a", "b"].p == 1


def test_the_matrix_is_corrected_over_all_pairs(sides):
    scored = {name: side(*sides, name).seeds for name in "abc"}
    differences_of = matrix(scored, "mae")
    raw = [(d.p, d.p_interval) for d in differences_of.values()]
    assert list(differences_of) == [("a", "b"), ("a", "c"), ("b", "c")]
    assert [d.p_adjusted for d in differences_of.values()] == pytest.approx(adjusted(raw).tolist())
    gaps = [scored["a"][s].metrics["mae"] - scored["b"][s].metrics["mae"] for s in range(6)]
    assert differences_of["a", "b"].p == sign_flip(gaps) and differences_of["a", "b"].mean < 0


def test_rows_that_differ_most_and_calibration(sides):
    a, b = side(*sides, "a").seeds, side(*sides, "b").seeds
    apart = disagreements(a, b, 3)
    every = np.abs(np.mean([a[s].rows.prediction - b[s].rows.prediction for s in a], axis=0))
    assert [abs(d.a - d.b) for d in apart] == pytest.approx(np.sort(every)[::-1][:3])
    points = calibration(a, "mae", 4)
    p = np.sort(np.concatenate([s.rows.prediction for s in a.values()]))
    assert [x for x, _ in points] == pytest.approx([part.mean() for part in np.split(p, 4)])


def test_a_plugins_metric_is_compared_with_an_interval():
    draw = np.random.default_rng(0)
    y, ids = draw.normal(size=40), [str(i) for i in range(40)]
    videos = [f"v{i // 4}" for i in range(40)]
    worst = MetricDef(
        name="worst",
        kinds=("score",),
        title="worst",
        summary="largest error",
        value=lambda y, p: np.abs(y - p).max(),
        higher_is_better=False,
    )
    task = BUILT_IN.with_plugins([worst]).of(SPACE.label_space())

    def seeds(noise):
        rows = (Predictions(ids, videos, y, y + draw.normal(size=40) * noise) for _ in range(3))
        return {
            s: Scored(r, task.evaluate(r.target, r.prediction), task) for s, r in enumerate(rows)
        }

    a, b = seeds(0.1), seeds(1.0)
    difference = differences(a, b, ["worst"])["worst"]
    worst_errors = [np.abs(s.rows.prediction - y).max() for side in (b, a) for s in side.values()]
    assert (
        difference.mean == pytest.approx(np.mean(worst_errors[:3]) - np.mean(worst_errors[3:]))
        and difference.low > 0
    )
