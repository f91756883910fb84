"""Tuning: the defaults first, so many trials and no more, on train and valid alone."""

from __future__ import annotations

import dataclasses
from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import optuna
import pytest

import merbench.tuning.trial as module
from merbench.api import RequestError, RunError, Stage
from merbench.api.events import TrialDone, TrialEpoch, ignore
from merbench.data.encoder_cache.cache import Cache
from merbench.engine.resolve import resolve
from merbench.results.seeds import FIRST_TUNING_SEED
from merbench.runs.run import run
from merbench.testing import tiny
from merbench.tuning.retries import LOST, PLANNED, fail
from merbench.tuning.search import tune
from merbench.tuning.search_space import fixed_by, space_of
from merbench.tuning.shared_search import SearchConfig, SearchResult, join, loss_of_storage_reported
from tests.tiny_runs import MACHINE, in_folds
from tests.towers import tiny_text
from tests.tuning.conftest import QUICK


@pytest.fixture
def search(store):
    def search(asked, trials=4, watch=ignore, **how):
        return tune(
            *asked,
            store,
            MACHINE,
            SearchConfig(trials, **{"sampler": "random", "pruner": "none", **how}),
            watch,
        )

    return search


def trials_of(asked, store, trials=4, **how):
    return (
        join(*asked, store, SearchConfig(trials, **{"sampler": "random", "pruner": "none", **how}))
        .ledger()
        .finished
    )


def test_the_defaults_come_first_and_the_best_is_never_worse(ask, search, store):
    asked = ask()
    tuned = search(asked)
    first, *others = trials_of(asked, store)
    assert tuned.trials == 4 == 1 + len(others)
    assert (
        first.params == dict(space_of(asked[1], fixed_by(asked[1], asked[0])).defaults)
        and tuned.default == first.value
    )
    assert tuned.value == min(t.value for t in (first, *others)) <= tuned.default
    assert tuned.settings == next(t.params for t in (first, *others) if t.value == tuned.value)
    assert tuned.seconds == pytest.approx(
        sum(t.user_attrs["seconds"] for t in (first, *others)), abs=0.1
    )
    assert len({tuple(t.params.items()) for t in (first, *others)}) == 4


def test_a_store_that_becomes_another_folder_ends_the_search(ask, search, store):
    away = store.root.with_name("away")

    def unmount(event):
        if isinstance(event, TrialDone) and not away.exists():
            store.root.rename(away)
            store.root.mkdir()

    with pytest.raises(RequestError, match="no longer the folder it was"):
        search(ask(), watch=unmount)
    assert not list(store.root.iterdir()) and list(away.rglob("*.journal"))


def test_who_looks_on_at_a_search_is_told_too_that_its_store_is_another_folder(ask, store):
    config = SearchConfig(4)
    with (
        pytest.raises(RequestError, match="no longer the folder it was"),
        loss_of_storage_reported(store, config),
    ):
        joined = join(*ask(), store, config)
        store.root.rename(store.root.with_name("away"))
        joined.ledger()


def test_the_value_is_that_of_a_run_with_the_tuning_seed(ask, search, store, catalog):
    asked = ask(protocol="folds")
    tuned = search(asked, trials=2, seeds_per_trial=2)
    request = dataclasses.replace(asked[0], settings={**asked[0].settings, **tuned.settings})
    corpus = in_folds(tiny.corpus())
    records = run(
        resolve(request, catalog, corpus, None),
        corpus,
        [FIRST_TUNING_SEED, FIRST_TUNING_SEED + 1],
        store,
        MACHINE,
    )
    assert tuned.value == pytest.approx(np.mean([r.metrics.valid["mae"] for r in records]))


def test_a_frozen_tower_reads_incomplete_transcripts_as_it_does_in_a_run(ask, store, tmp_path):
    machine = dataclasses.replace(MACHINE, cache=Cache(tmp_path / "cache"))
    tower = {"encoder.text": "hf-text", "encoder.text.model": str(tiny_text(tmp_path))}
    settings, texts = {**QUICK, **tower}, {"text": "text.transcript"}
    request, plan = ask("text-only", settings=settings, streams=texts, missing="text=mask:0.5")
    tuned = tune(request, plan, store, machine, SearchConfig(1))
    (record,) = run(plan, tiny.corpus(), [FIRST_TUNING_SEED], store, machine)
    assert tuned.value == record.metrics.valid["mae"]


def test_a_search_goes_on_where_it_ended_and_does_nothing_twice(ask, search, store):
    asked = ask()
    search(asked, trials=2)
    two = trials_of(asked, store, 2)
    trained = []
    again = search(asked, trials=2, watch=trained.append)
    assert not any(isinstance(event, TrialEpoch) for event in trained) and again.trials == 2
    assert search(asked, trials=4).trials == 4
    assert [t.params for t in trials_of(asked, store)[:2]] == [t.params for t in two]
    assert search(asked, trials=3).trials == 3, (
        "fewer are asked for than there are: the first count"
    )


def test_stopped_and_started_it_draws_what_it_draws_at_once(ask, store, tmp_path):
    from merbench.results.store.store import Store

    asked, how = ask(), {"sampler": "tpe", "pruner": "none"}
    whole, other = Store(tmp_path / "whole"), Store(tmp_path / "parts")
    tune(*asked, whole, MACHINE, SearchConfig(13, **how))
    for trials in (3, 12, 13):
        tune(*asked, other, MACHINE, SearchConfig(trials, **how))
    assert [(t.params, t.value) for t in trials_of(asked, whole, 13, **how)] == [
        (t.params, t.value) for t in trials_of(asked, other, 13, **how)
    ]


def test_a_search_is_named_by_what_decides_it_and_not_by_its_length(ask, store):
    def name(asked, trials=3, **how):
        return join(*asked, store, SearchConfig(trials, **how)).study.study_name

    base = name(ask())
    assert base == name(ask(), 30, budget_seconds=5.0) == name(ask(settings={**QUICK}))
    assert base.startswith("late-fusion-dnn-tiny-task-standard-")
    others = [
        name(ask(settings={**QUICK, "train.epochs": 3})), name(ask(settings={**QUICK, "train.lr": 1e-3})), name(ask(protocol="folds")),
        name(ask(modalities=("text", "audio"))), name(ask(ablations=("text-audio",))), name(ask(), sampler="random"),
        name(ask(), pruner="none"), name(ask(), seeds_per_trial=2),
    ]  # fmt: skip
    assert len({base, *others}) == 9


class Forbidden:
    """Rows that nobody may look at."""

    dtype = np.dtype(np.int64)

    def __getattr__(self, name):
        raise AssertionError(f"the test rows were asked for {name}")

    __getitem__ = __len__ = __iter__ = __array__ = lambda self, *_: (_ for _ in ()).throw(
        AssertionError("the test rows were read")
    )


@pytest.mark.parametrize("protocol", ["standard", "folds"])
def test_the_test_rows_are_never_read(ask, store, tmp_path, protocol):
    """With rows that raise when touched, and nonsense where they point to, everything comes out the
    same.
    """
    from merbench.results.store.store import Store

    request, plan = ask(protocol=protocol)
    test = np.unique(np.concatenate([s.test for s in plan.protocol.splits]))
    if protocol == "folds":  # each row is a test row of one fold, so folds are looked at one by one
        plan = dataclasses.replace(
            plan, protocol=dataclasses.replace(plan.protocol, splits=plan.protocol.splits[:1])
        )
        test = plan.protocol.splits[0].test
    sound = tune(request, plan, store, MACHINE, SearchConfig(3))

    hidden = tuple(dataclasses.replace(s, test=Forbidden()) for s in plan.protocol.splits)
    with pytest.raises(AssertionError):
        hidden[0].test.max()
    streams = {}
    for modality, stream in plan.streams.items():
        steps = np.concatenate(
            [np.arange(stream.start[i], stream.start[i] + stream.length[i]) for i in test]
        )
        values = stream.values.copy()
        values[steps] = 0 if stream.kind == "words" else np.nan
        streams[modality] = dataclasses.replace(stream, values=values)
    target = plan.task.target.copy()
    target[test] = np.nan
    poisoned = dataclasses.replace(
        plan,
        streams=streams,
        task=dataclasses.replace(plan.task, target=target),
        protocol=dataclasses.replace(plan.protocol, splits=hidden),
    )
    blind = tune(request, poisoned, Store(tmp_path / "blind"), MACHINE, SearchConfig(3))
    assert dataclasses.replace(blind, seconds=sound.seconds) == sound


def test_a_part_that_fails_with_the_default_settings_is_told_before_the_search(ask, monkeypatch):
    from merbench_baselines.fusions import late_dnn

    def broken(self, *_):
        raise KeyError("gates")

    monkeypatch.setattr(late_dnn.LateFusionDNN, "__init__", broken)
    with pytest.raises(RunError, match=r"cannot be built: fusion late-dnn .*KeyError: 'gates'"):
        module.check_buildable(ask()[1], MACHINE)


def test_what_fails_is_recorded_and_the_search_goes_on(ask, search, store, monkeypatch):
    sound, count = module.learn, iter(range(99))

    def fails_sometimes(*words):
        number = next(count)
        if number in (1, 3):
            raise (
                RuntimeError("out of memory") if number == 1 else RunError("the loss is not finite")
            )
        return sound(*words)

    monkeypatch.setattr(module, "learn", fails_sometimes)
    asked = ask()
    tuned = search(asked)
    assert (tuned.trials, tuned.failed) == (4, 2)
    assert [t.user_attrs.get("end") for t in trials_of(asked, store)] == [
        None,
        "RuntimeError: out of memory",
        None,
        "the loss is not finite",
    ]


def test_settings_that_do_not_fit_one_another_waste_no_trial(ask, search, store):
    # Of 2, 4 and 8 heads only 2 and 4 divide this width.
    asked = ask(
        "merclip",
        settings={**QUICK, "train.epochs": 1, "fusion.width": 36, "fusion.heads": 4},
        modalities=("text",),
    )
    assert search(asked, trials=1).trials == 1
    request = dataclasses.replace(
        asked[0], settings={k: v for k, v in asked[0].settings.items() if k != "fusion.heads"}
    )
    tuned = search((request, asked[1]), trials=5)
    assert (tuned.trials, tuned.failed) == (5, 0) and {
        t.params["fusion.heads"] for t in trials_of((request, asked[1]), store, 5)
    } == {2, 4}


def test_an_impossible_combination_is_not_counted(ask, search, store, monkeypatch):
    sound, count = module.build, iter(range(99))

    def refuses(*words):
        if next(count) in (1, 2):
            raise RequestError("these widths do not fit")
        return sound(*words)

    monkeypatch.setattr(module, "build", refuses)
    asked = ask()
    tuned = search(asked)
    assert (tuned.trials, tuned.failed) == (4, 0)
    states = [
        t.state.name
        for t in join(
            *asked, store, SearchConfig(4, sampler="random", pruner="none")
        ).study.get_trials()
    ]
    assert states == ["COMPLETE", "FAIL", "FAIL", "COMPLETE", "COMPLETE", "COMPLETE"]


def test_defaults_that_cannot_be_built_are_told_at_once(ask, search, monkeypatch):
    def refuses(*words):
        raise RequestError("this run has no word vectors")

    monkeypatch.setattr(module, "build", refuses)
    for _ in range(2):
        with pytest.raises(RequestError, match="no word vectors"):
            search(ask())


def test_if_all_fail_it_is_said(ask, search, monkeypatch):
    def fails(*words):
        raise RunError("the loss is not finite")

    monkeypatch.setattr(module, "learn", fails)
    with pytest.raises(RunError, match=r"none of 4 trials .* the loss is not finite"):
        search(ask())


def test_a_small_space_is_tried_out_once(ask, search, store):
    asked = ask("tfidf-ridge", settings={})
    tuned = search(asked, trials=30)
    assert tuned.trials == 16 == len({tuple(t.params.items()) for t in trials_of(asked, store, 30)})
    assert search(ask("ridge", settings={}), trials=30).trials == 1, (
        "nothing to search: the defaults alone"
    )


def test_a_combination_of_a_small_space_that_cannot_be_built_is_told_because_it_counts(
    ask, search, monkeypatch
):
    sound, count = module.build, iter(range(99))

    def refuses(*words):
        if next(count) == 1:
            raise RequestError("no word stands in 2 transcripts")
        return sound(*words)

    monkeypatch.setattr(module, "build", refuses)
    told = []
    tuned = search(
        ask("tfidf-ridge", settings={}),
        trials=3,
        watch=told.append,
    )
    failed = [e.error for e in told if isinstance(e, TrialDone) and e.status == "failed"]
    assert tuned.failed == 1 and failed == ["no word stands in 2 transcripts"]


def test_a_small_space_is_tried_out_once_also_when_the_search_goes_on(ask, search, store):
    asked = ask("tfidf-ridge", settings={})
    for trials in (2, 5, 30):
        search(asked, trials=trials)
        tried = [t.params for t in trials_of(asked, store, trials)]
        assert tried[0] == space_of(asked[1], set()).defaults
        assert len({tuple(params.items()) for params in tried}) == len(tried) == min(trials, 16)


def test_a_search_in_which_a_combination_was_drawn_goes_on_with_the_others(ask, search, store):
    asked = ask("tfidf-ridge", settings={})
    search(asked, trials=1)
    joined = join(*asked, store, SearchConfig(30, sampler="random", pruner="none"))
    joined.study.enqueue_trial(joined.space.all()[3])
    joined.study.tell(joined.study.ask(dict(joined.space.ranges)), 1.0)
    search(asked, trials=30)
    assert len({tuple(t.params.items()) for t in trials_of(asked, store, 30)}) == 16


def test_no_trial_begins_beyond_the_budget(ask, search):
    assert search(ask(), trials=50, budget_seconds=1e-6).trials == 1


def test_a_trial_behind_the_others_is_pruned_and_the_default_never(ask, store):
    asked = ask(settings={"train.epochs": 10, "train.batch_size": 8, "train.patience": 10})
    tuned = tune(*asked, store, MACHINE, SearchConfig(10, sampler="random", pruner="median"))
    assert tuned.trials == 10 and tuned.pruned > 0
    finished = trials_of(asked, store, 10, pruner="median")
    assert finished[0].state.name == "COMPLETE"
    for trial in finished:
        values = [trial.intermediate_values[s] for s in sorted(trial.intermediate_values)]
        assert all(a >= b for a, b in pairwise(values)), "the best so far"
        if trial.state.name == "COMPLETE":
            assert trial.value == pytest.approx(values[-1]) and len(values) == 10


def test_the_default_settings_are_never_pruned_also_where_a_worker_died_at_them(
    ask, search, store, monkeypatch
):
    """What they score is what the best is compared with."""
    asked = ask(settings={**QUICK, "train.epochs": 1})
    joined = join(*asked, store, SearchConfig(3, sampler="random", pruner="none"))
    joined.study.enqueue_trial(dict(joined.space.defaults), user_attrs={PLANNED: 0})
    fail(joined.storage, joined.study.ask()._trial_id, LOST)
    monkeypatch.setattr(optuna.trial.Trial, "should_prune", lambda trial: True)
    tuned = search(asked, trials=3)
    assert (tuned.trials, tuned.pruned, tuned.failed) == (3, 2, 0)
    assert tuned.default == tuned.value and tuned.settings == tuned.default_settings


@pytest.mark.parametrize(
    ("sampler", "pruner"), [("gp", "hyperband"), ("cmaes", "none"), ("tpe", "median")]
)
def test_every_sampler_and_pruner_ends_with_so_many_trials(ask, store, sampler, pruner):
    asked = ask(settings={**QUICK, "train.epochs": 1})
    tuned = tune(*asked, store, MACHINE, SearchConfig(11, sampler=sampler, pruner=pruner))
    assert (tuned.trials, tuned.failed, tuned.sampler) == (11, 0, sampler)


def test_a_search_goes_by_what_chooses_the_epochs_of_the_last_stage(ask, store):
    asked = ask(settings={**QUICK, "stage.main.select": "corr"})
    joined = join(*asked, store, SearchConfig(1))
    assert (joined.metric, joined.sign, joined.study.direction.name) == ("corr", 1, "MAXIMIZE")


def test_reports_of_stages_stand_where_those_of_other_trials_do(ask):
    """Also where a stage stopped early; one that goes by another metric reports nothing."""
    plan = ask(settings={"train.epochs": 5})[1]
    stages = tuple(Stage(name=name) for name in ("corr first", "first", "second"))
    plan = dataclasses.replace(plan, stages=stages)
    measurer = SimpleNamespace(
        epochs=15,
        worker=SimpleNamespace(lost_trial=False),
        watch=ignore,
        search=SimpleNamespace(sign=-1, metric="mae"),
    )
    reports = []
    trial = SimpleNamespace(number=0, report=lambda value, step: reports.append((step, value)))
    fold = SimpleNamespace(split=SimpleNamespace(fold=None))
    report = module._EpochReport(measurer, plan, trial, 0, fold, [3.0], may_prune=False)
    for stage, epoch, value in [
        ("corr first", 0, {"corr": 9.0}),
        ("first", 0, {"mae": 2.0}),
        ("first", 1, {"mae": 4.0}),
        ("second", 0, {"mae": 1.0}),
    ]:
        report({"stage": stage, "epoch": epoch, "loss": {}, **value})
    assert reports == [(20, 2.5), (21, 2.5), (25, 2.0)]


def test_multilabel_maximises_its_metric_with_its_own_thresholds(ask, search, store):
    asked = ask(kind="multilabel", thresholds="tuned_on_valid")
    tuned = search(asked)
    assert (
        tuned.metric == "micro_f1"
        and tuned.value == max(t.value for t in trials_of(asked, store)) >= tuned.default
    )


def test_final_seeds_are_none_of_the_tuning_seeds(ask, search, monkeypatch):
    seen, sound = [], module.build
    monkeypatch.setattr(
        module,
        "build",
        lambda plan, fold, seed, device: seen.append(seed) or sound(plan, fold, seed, device),
    )
    search(ask(), seeds_per_trial=3)
    assert (
        set(seen) == {FIRST_TUNING_SEED, FIRST_TUNING_SEED + 1, FIRST_TUNING_SEED + 2}
        and min(seen) > 10_000
    )


def test_the_record_says_by_what_it_was_tuned(ask, store):
    tuned = SearchResult(
        {"train.lr": 1e-3},
        {"train.lr": 1e-4},
        "study",
        30,
        12.5,
        1.0,
        1.1,
        "mae",
        7,
        3,
        1,
        19,
        "tpe",
        "median",
        1,
    )
    assert {"search", "trials", "seconds", "sampler", "pruner", "value", "default"} <= set(
        tuned.tuned_by
    )
    assert "settings" not in tuned.tuned_by and "default_settings" not in tuned.tuned_by


def test_optuna_reads_the_journal_as_it_is(ask, search, store):
    from optuna.storages.journal import JournalFileBackend, JournalStorage

    tuned = search(ask())
    (path,) = (store.root / "tuning").glob("*.journal")
    study = optuna.load_study(
        study_name=tuned.search, storage=JournalStorage(JournalFileBackend(str(path)))
    )
    assert study.best_value == tuned.value and study.best_params == tuned.settings
