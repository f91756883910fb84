"""Scores are those of the predictions, ranks follow their rule, and nothing is computed twice from
the same content.
"""

from __future__ import annotations

import re
from itertools import combinations

import numpy as np
import pytest

from merbench.api.processes import each_apart
from merbench.report.scores import runs_of_a_store as reading
from merbench.report.scores.board import row_pairs
from merbench.report.scores.board import row_scores as rows
from merbench.report.scores.board.board_scores import score
from merbench.report.scores.board.ranks import standings
from merbench.report.scores.cache import Cache
from merbench.report.scores.rows.entries import collect
from merbench.report.scores.runs_of_a_store import StoreSource
from merbench.report.scores.statistics import every_pair
from merbench.report.scores.statistics.intervals import interval
from merbench.report.scores.statistics.pair_tests import EveryPair
from merbench.results.store.store import Store
from tests.report.made import SPACE, put, spec, truth


@pytest.fixture
def source(tmp_path):
    store = Store(tmp_path / "store")
    put(store, 0.5, spec("good"))
    put(store, 0.505, spec("alike"))
    put(store, 1.0, spec("bad"))
    put(store, 0.4, spec("good", "no-x"))
    put(store, 1.5, spec("ridge"), [0])
    return StoreSource(store)


def board(source):
    (board,) = collect(source.records(), {"ridge"})
    return board


def test_scores_and_intervals_are_those_of_the_predictions(source):
    scores = score(board(source), source, Cache(None))
    first, *middle, bad, ridge = scores.rows
    assert (first, {*middle}, bad, ridge) == (
        "good no-x",
        {"good", "alike"},
        "bad",
        "ridge",
    ) and scores.floors == ["ridge"]
    _, videos, y = truth()
    runs = next(e for e in board(source).entries if e.name == "bad").records
    p = np.stack([source.predictions(r.run_id).prediction for r in runs])
    expected = interval(board(source).metrics["mae"].value, y, p, videos)
    assert scores.rows["bad"].summary["mae"].mean == pytest.approx(np.abs(y - p).mean())
    assert scores.rows["bad"].intervals["mae"] == pytest.approx(expected[1:])
    assert (scores.rows["bad"].rows, scores.rows["bad"].videos) == (60, 12)


def test_ranks_leave_out_floors_and_variants_and_separate_what_differs(source):
    standings = score(board(source), source, Cache(None)).standings
    assert {n: s.rank for n, s in standings.items()} == {"good": 1, "alike": 1, "bad": 3}
    assert standings["bad"].against == next(iter(standings)) and standings["bad"].p == 2 / 1024
    assert standings["bad"].p_interval < standings["bad"].p_adjusted < 0.05
    assert [s.with_the_best for s in standings.values()] == [True, True, False]


def test_an_ablation_is_compared_with_the_full_model_of_its_settings(tmp_path):
    store = Store(tmp_path)
    for lr in (0.001, 0.002):
        put(store, 0.5, spec("good", lr=lr), [0, 1])
        put(store, 0.6, spec("good", "no-x", lr=lr), [0, 1])
    both = StoreSource(store)
    bases = {
        name: test.against for name, test in score(board(both), both, Cache(None)).ablations.items()
    }
    assert bases == {f"good no-x (train.lr={lr})": f"good (train.lr={lr})" for lr in (0.001, 0.002)}


def test_an_ablation_whose_full_model_is_not_there_is_compared_with_nothing(tmp_path):
    store = Store(tmp_path)
    put(store, 0.4, spec("good", "no-x"), [0, 1])
    alone = StoreSource(store)
    scores = score(board(alone), alone, Cache(None))
    assert (list(scores.rows), scores.ablations, scores.standings) == (["good no-x"], {}, {})


def pair_tests(names, p_of_distance, sign=1.0):
    """Each name is worse than those before it, with such a p."""
    tests = EveryPair(names)
    places = np.array(list(combinations(range(len(names)), 2)))
    far = places[:, 1] - places[:, 0]
    tests.mean_P[:], tests.error_P[:], tests.df_P[:] = sign * far, 0.1, 9
    tests.p_flip_P = tests.p_interval_P = np.vectorize(p_of_distance)(far).astype(float)
    tests.correct()
    return tests


def test_a_rank_counts_the_rows_that_are_significantly_better():
    """Five rows, best first: each is separated from those at least two places away. p of one pair,
    .004, stays under .05 when it is multiplied by the ten pairs.
    """
    standing_of = standings(pair_tests("01234", lambda far: 0.004 if far >= 2 else 0.4), False)
    assert [standing_of[n].rank for n in "01234"] == [1, 1, 2, 3, 4]
    assert [standing_of[n].against for n in "01234"] == ["", "0", "0", "0", "0"]
    assert [standing_of[n].with_the_best for n in "01234"] == [True, True, False, False, False]
    # Six pairs have the p .004, which Holm multiplies by ten at most.
    assert standing_of["4"].p_adjusted == pytest.approx(0.04)
    undecided = standings(pair_tests("01", lambda far: np.nan), False)
    assert [s.rank for s in undecided.values()] == [1, 1]


def test_where_higher_is_better_the_direction_turns():
    standing_of = standings(pair_tests("01", lambda far: 0.01, sign=-1), True)
    assert [s.rank for s in standing_of.values()] == [1, 2]


def test_nothing_is_computed_twice_and_a_changed_prediction_is(source, tmp_path, monkeypatch):
    cache = Cache(tmp_path / "cache")
    first = score(board(source), source, cache)
    calls = []
    values_of = rows.values_of
    monkeypatch.setattr(rows, "values_of", lambda *words: calls.append(words) or values_of(*words))
    assert score(board(source), source, cache) == first and not calls
    run = board(source).entries[0].records[0]
    kept = source.predictions(run.run_id)
    changed = kept.prediction.copy()
    changed[0] += 1
    source.store.put(run, type(kept)(kept.ids, kept.videos, kept.target, changed))
    score(board(source), source, cache)
    assert len(calls) == 8, "one row, every headline metric"


@pytest.mark.parametrize("every_interval", [True, False])
def test_another_ranking_metric_has_its_intervals_in_every_row(source, tmp_path, every_interval):
    """The data set ranks by another metric than when the first runs were made."""
    cache = Cache(tmp_path / "cache")
    score(board(source), source, cache, every_interval=every_interval)
    space = SPACE.model_copy(update={"rank": "acc3"})
    put(source.store, 0.7, spec("new"), space=space, started="2026-12-01T00:00:00+00:00")
    again = StoreSource(source.store)
    assert board(again).metrics.ranking == "acc3"
    kept, alone = (
        score(board(again), again, c, every_interval=every_interval) for c in (cache, Cache(None))
    )
    assert kept == alone and all("acc3" in row.intervals for row in kept.rows.values())


def test_records_rows_and_pairs_are_the_same_from_several_processes(source, monkeypatch):
    (source.store.runs / "cut.json").write_text("{")
    records = source.records()
    alone = score(board(source), source, Cache(None))
    processes = []
    for module in (rows, row_pairs, reading):
        monkeypatch.setattr(module, "SHARE", 1)
        monkeypatch.setattr(module, "cores", lambda: 2)
    for module in (rows, every_pair, reading):
        monkeypatch.setattr(
            module, "each_apart", lambda *words: processes.append(words[2]) or each_apart(*words)
        )
    divided = StoreSource(source.store)
    assert divided.records() == records and divided.warnings == source.warnings[:1] != []
    assert score(board(divided), divided, Cache(None)) == alone
    # Records twice, rows, missing values and differences of pairs, and these of the ablation.
    assert processes == [2] * 7


def test_what_a_table_shows_is_part_of_what_a_page_shows(source, tmp_path):
    cache = Cache(tmp_path / "cache")
    whole = score(board(source), source, Cache(None))
    brief = score(board(source), source, cache, every_interval=False)
    assert {name: set(row.intervals) for name, row in brief.rows.items()} == {
        name: {"mae"} for name in whole.rows
    }
    without = {"rows": {"__all__": {"intervals"}}}
    assert brief.model_dump(exclude=without) == whole.model_dump(exclude=without)
    assert brief.rows["bad"].intervals["mae"] == whole.rows["bad"].intervals["mae"]
    assert score(board(source), source, cache) == whole, "it is not taken from the brief one"


def test_records_without_histories_are_the_rest_of_them(source):
    whole, brief = source.records(), StoreSource(source.store, histories=False).records()
    assert any(record.history for record in whole)
    assert brief == [record.model_copy(update={"history": []}) for record in whole]
    assert len({id(record.spec) for record in brief}) == 5, "equal parts are one object"


def test_a_broken_cache_costs_time_only(source, tmp_path):
    cache = Cache(tmp_path / "cache")
    first = score(board(source), source, cache)
    for path in (tmp_path / "cache").iterdir():
        path.write_text("{")
    assert score(board(source), source, cache) == first
    paths = sorted((tmp_path / "cache").iterdir())
    whole = [path.read_bytes() for path in paths]
    for path, content, other in zip(paths, whole, [*whole[1:], whole[0]], strict=True):
        path.write_bytes(content.translate(bytes.maketrans(b"12345", b"23456")))
        assert score(board(source), source, cache) == first, "other digits"
        path.write_bytes(other)
        assert score(board(source), source, cache) == first, "another one's file"
    assert score(board(source), source, Cache(tmp_path / "cache" / "x.json" / "no-folder")) == first


def test_a_row_without_a_whole_seed_is_left_out(tmp_path):
    store = Store(tmp_path)
    put(store, 0.5, spec("a"), [0], (0, 1))
    put(store, 0.5, spec("b"), [0], (0,), status="failed", metrics=None, error="boom")
    source = StoreSource(store)
    (board,) = collect(source.records(), set())
    scores = score(board, source, Cache(None))
    assert list(scores.rows) == ["a"] and scores.rows["a"].rows == 60


def test_predictions_that_were_cut_off_cost_that_run_alone(source):
    broken, *others = source.records()
    file = source.store.runs / f"{broken.run_id}.safetensors"
    file.write_bytes(file.read_bytes()[:-8])
    (board,) = collect(source.records(), {"ridge"})
    assert {r.run_id for e in board.entries for r in e.records} == {r.run_id for r in others}
    assert (
        score(board, source, Cache(None)).rows and f"{file} cannot be read" in source.warnings[-1]
    )


def test_a_seed_that_two_records_claim_is_left_out(tmp_path):
    store = Store(tmp_path)
    put(store, 0.5, spec("a"))
    path = min(store.runs.glob("*.json"))
    path.write_text(re.sub(r'"seed": ?\d+', '"seed": 1', path.read_text(), count=1))
    source = StoreSource(store)
    (board,) = collect(source.records(), set())
    seeds = [record.seed for record in board.entries[0].records]
    assert seeds.count(1) == 2
    scored = score(board, source, Cache(None)).rows["a"].seeds
    assert list(scored) == sorted(set(seeds) - {1})


def test_records_that_cannot_be_used_are_told_and_left(source):
    name = source.records()[0].run_id
    runs = source.store.runs
    (runs / f"{name}.safetensors").unlink()
    (runs / "broken.json").write_text("{")
    source.warnings.clear()
    assert name not in [r.run_id for r in source.records()]
    assert len(source.warnings) == 2 and (runs / "broken.json").exists()


def test_a_run_that_was_killed_between_folds_is_not_ranked(tmp_path):
    """Its seed has one of two folds: as another row tells, or its own record."""
    store = Store(tmp_path)
    put(store, 0.5, spec("a", protocol="folds"), [0], (0, 1))
    put(store, 0.1, spec("b", protocol="folds"), [0], (0,))
    source = StoreSource(store)
    (both,) = collect(source.records(), set())
    assert list(score(both, source, Cache(None)).rows) == ["a"] and both.folds == 2

    alone = StoreSource(Store(tmp_path / "alone"))
    put(alone.store, 0.1, spec("b", protocol="folds"), [0, 1], (0,), folds=2)
    (board,) = collect(alone.records(), set())
    assert not score(board, alone, Cache(None)).rows
    put(alone.store, 0.1, spec("b", protocol="folds"), [1], (1,), folds=2)
    (board,) = collect(alone.records(), set())
    assert list(score(board, alone, Cache(None)).rows["b"].seeds) == [1]
