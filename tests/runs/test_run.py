"""Runs: once each, recorded whole, failed ones recorded too, and trained without the test split."""

from __future__ import annotations

import dataclasses
import re
import sys
import types

import numpy as np
import pytest
from sklearn.metrics import f1_score, mean_absolute_error

from merbench.api.events import EpochDone, Event, RunDone, RunStarted
from merbench.report.scores.rows.pooled_seeds import by_seed, group, summary
from merbench.results.records.record import Record
from merbench.runs.run import run
from tests.tiny_runs import MACHINE


def test_a_record_says_everything_and_its_predictions_stand_beside_it(make, store):
    plan, corpus = make()
    (record,) = run(plan, corpus, [3], store, MACHINE)
    assert record == store.get(record.run_id)
    assert (
        record.status == "done"
        and record.seed == 3
        and record.counts == {"train": 12, "valid": 6, "test": 6}
    )
    assert len(record.history) == 2 and record.best_epoch in (0, 1)
    assert record.reads == ["train", "valid", "trained", "test"]
    assert record.cost.parameters > 0 and record.provenance["threads"] == 1
    rows = store.predictions(record.run_id)
    split = plan.protocol.splits[0]
    assert list(rows.ids) == corpus.ids[split.test].tolist()
    assert record.metrics.test["mae"] == pytest.approx(
        mean_absolute_error(plan.task.target[split.test], rows.prediction)
    )


def test_what_is_there_is_not_run_again_unless_forced(make, store):
    plan, corpus = make()
    events: list[Event] = []
    first = run(plan, corpus, [0, 1], store, MACHINE, watch=events.append)
    kinds = [type(e) for e in events]
    assert kinds == [RunStarted, EpochDone, EpochDone, RunDone] * 2
    assert [(e.epoch, e.epochs) for e in events if isinstance(e, EpochDone)] == [(1, 2), (2, 2)] * 2
    done = events[3]
    assert (done.test, done.run_id, done.reused) == (
        first[0].metrics.test,
        first[0].run_id,
        False,
    )
    events.clear()
    assert run(plan, corpus, [0, 1], store, MACHINE, watch=events.append) == first
    assert [(type(e), e.reused) for e in events] == [(RunDone, True)] * 2
    forced = run(plan, corpus, [0], store, MACHINE, force=True)
    assert (
        forced[0].weights_sha256 == first[0].weights_sha256
        and forced[0].metrics == first[0].metrics
    )


def test_a_search_that_went_on_is_told_by_the_runs_of_a_winner_that_stayed(make, store):
    plan, corpus = make()
    (first,) = run(
        plan, corpus, [0], store, MACHINE, tuned_by={"study": "s", "trials": 3, "seconds": 1.0}
    )
    (again,) = run(
        plan, corpus, [0], store, MACHINE, tuned_by={"study": "s", "trials": 10, "seconds": 1.0}
    )
    assert again.tuned_by["trials"] == 10 and again == store.get(first.run_id)
    assert again.model_copy(update={"tuned_by": first.tuned_by}) == first and store.has_weights(
        first.run_id
    )
    (plain,) = run(plan, corpus, [0], store, MACHINE)
    assert plain == again, "a call that knows of no search says nothing of one"


def test_another_source_of_the_components_is_reused_and_told(make, store):
    plan, corpus = make("majority")
    (record,) = run(plan, corpus, [0], store, MACHINE)
    rows = store.predictions(record.run_id)
    store.put(Record(**{**record.model_dump(), "source_digest": "other"}), rows)
    other_sources = []
    run(
        plan,
        corpus,
        [0],
        store,
        MACHINE,
        watch=lambda event: other_sources.append(event.other_source),
    )
    assert other_sources == [True]


def test_a_failed_run_is_recorded_the_rest_go_on_and_it_is_tried_again(make, store, monkeypatch):
    import merbench.engine.learn as module

    plan, corpus = make()
    sound = module.fit

    def fails_for_seed_1(*words, seed, **more):
        if seed == 1:
            raise RuntimeError("out of memory")
        return sound(*words, seed=seed, **more)

    monkeypatch.setattr(module, "fit", fails_for_seed_1)
    records = run(plan, corpus, [0, 1, 2], store, MACHINE)
    assert [r.status for r in records] == ["done", "failed", "done"]
    assert "out of memory" in store.get(records[1].run_id).error
    assert sorted(by_seed(records, store)) == [0, 2]
    monkeypatch.setattr(module, "fit", sound)
    assert [r.status for r in run(plan, corpus, [0, 1, 2], store, MACHINE)] == ["done"] * 3


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_run_that_is_forced_and_fails_is_told_and_leaves_the_finished_one(
    make, store, monkeypatch, jobs
):
    import merbench.runs.one_run as module

    def fails(*words):
        raise RuntimeError("out of memory")

    plan, corpus = make()
    before = run(plan, corpus, [0, 1], store, MACHINE)
    monkeypatch.setattr(module, "learn", fails)
    assert [r.status for r in run(plan, corpus, [0, 1], store, MACHINE, force=True, jobs=jobs)] == [
        "failed"
    ] * 2
    assert sorted(store.records(), key=lambda r: r.seed) == before


def test_training_and_its_validation_scores_do_not_depend_on_test_rows(make, store, tmp_path):
    """The test rows' content is replaced by nonsense: the weights stay the same to the last bit."""
    from merbench.results.store.store import Store

    plan, corpus = make()
    (before,) = run(plan, corpus, [0], store, MACHINE)
    test = plan.protocol.splits[0].test
    target = plan.task.target.copy()
    target[test] = 3.0
    streams = {}
    for modality, stream in plan.streams.items():
        values = stream.values.copy()
        for row in test:
            values[stream.start[row] : stream.start[row] + stream.length[row]] = 0
        streams[modality] = dataclasses.replace(stream, values=values)
    spoiled = dataclasses.replace(
        plan, task=dataclasses.replace(plan.task, target=target), streams=streams
    )
    (after,) = run(spoiled, corpus, [0], Store(tmp_path / "other"), MACHINE)
    assert after.weights_sha256 == before.weights_sha256
    assert after.history == before.history and after.metrics.valid == before.metrics.valid
    assert after.metrics.test != before.metrics.test


def test_folds_are_pooled_before_any_metric_and_n_counts_seeds(make, store):
    plan, corpus = make(protocol="folds")
    records = run(plan, corpus, [0, 1], store, MACHINE)
    assert [(r.seed, r.fold) for r in records] == [(s, f) for s in (0, 1) for f in (0, 1, 2)]
    scored = by_seed(records, store)
    for seed, one in scored.items():
        mine = [store.predictions(r.run_id) for r in records if r.seed == seed]
        y, p = (
            np.concatenate([getattr(m, part) for m in mine]) for part in ("target", "prediction")
        )
        assert len(y) == 24
        assert one.metrics["mae"] == pytest.approx(mean_absolute_error(y, p))
    assert summary(scored)["mae"].n == 2
    assert list(by_seed(records[:-1], store)) == [0], "a seed that lacks a fold is left out"


def test_multilabel_thresholds_are_chosen_on_valid_and_pooled_fold_by_fold(make, store):
    plan, corpus = make(kind="multilabel", protocol="folds", thresholds="tuned_on_valid_per_label")
    records = run(plan, corpus, [0], store, MACHINE)
    rows = [store.predictions(r.run_id) for r in records]
    decided = np.concatenate(
        [m.prediction >= np.array(r.thresholds) for m, r in zip(rows, records, strict=True)]
    )
    truth = np.concatenate([m.target for m in rows])
    assert by_seed(records, store)[0].metrics["micro_f1"] == pytest.approx(
        f1_score(truth, decided, average="micro")
    )


def test_rows_of_a_board_never_mix_source_digests(make, store):
    plan, corpus = make("majority")
    (record,) = run(plan, corpus, [0], store, MACHINE)
    other = Record(**{**record.model_dump(), "source_digest": "other"})
    assert len(group([record, record])) == 1 and len(group([record, other])) == 2


def test_shuffling_one_modality_changes_what_fusion_learns(make, store):
    """Streams reach the model row by row: the same plan on a corpus whose audio belongs to other
    rows gives other predictions.
    """
    plan, corpus = make()
    (before,) = run(plan, corpus, [0], store, MACHINE)
    audio = plan.streams["audio"]
    order = np.random.default_rng(0).permutation(len(corpus))
    shuffled = dataclasses.replace(audio, start=audio.start[order], length=audio.length[order])
    moved = dataclasses.replace(plan, streams={**plan.streams, "audio": shuffled})
    (after,) = run(moved, corpus, [0], store, MACHINE, force=True)
    assert after.weights_sha256 != before.weights_sha256


def _stumbling():
    """A part may be made by a function."""
    return lambda: {}["gates"]


class Stumbles:
    def __call__(self):
        return {}["gates"]


def test_what_a_part_raises_is_a_failed_run_and_what_merbench_raises_is_not():
    from types import SimpleNamespace

    from merbench.runs.failures import reason_of

    component = SimpleNamespace(kind="fusion", name="mine")
    plan = SimpleNamespace(parts={"fusion": SimpleNamespace(component=component, factory=Stumbles)})

    def told(call):
        try:
            call()
        except Exception as error:
            return reason_of(error, plan)

    assert re.fullmatch(
        r"fusion mine \(test_run.py, line \d+\): KeyError: 'gates'", told(Stumbles())
    )
    assert told(lambda: {}["gates"]) == ""
    assert told(lambda: int("x")).startswith("ValueError: invalid literal")
    plan.parts["fusion"].factory = _stumbling
    assert told(_stumbling()).startswith("fusion mine (test_run.py, line")


def test_a_part_that_ends_the_program_fails_its_run_and_a_signals_handler_ends_it(
    make, store, monkeypatch
):
    from merbench_baselines.fusions import late_dnn

    def leave(*_):
        sys.exit(0)

    plan, corpus = make()
    own = types.FunctionType(leave.__code__.replace(co_filename=late_dnn.__file__), globals())
    monkeypatch.setattr(late_dnn.LateFusionDNN, "forward", own)
    (record,) = run(plan, corpus, [0], store, MACHINE)
    assert record.status == "failed" and "it ends the program (SystemExit: 0)" in record.error
    monkeypatch.setattr(late_dnn.LateFusionDNN, "forward", leave)
    with pytest.raises(SystemExit):
        run(plan, corpus, [1], store, MACHINE)
