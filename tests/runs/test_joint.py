"""A score and labels at once: one model, rows that know one of them alone, and everything that is
asked of finished runs.
"""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
import torch

from merbench.analyses.predict import apply
from merbench.analyses.robust import parse, robust
from merbench.analyses.trained import trained
from merbench.analyses.transfer import finetuned, lines, pair, together
from merbench.api import DataError, LabelSpace, RequestError, Task
from merbench.data.folder.inputs import read_inputs
from merbench.data.labels.sets import read_label_sets
from merbench.engine.build import build
from merbench.engine.learn import learn, learn_together
from merbench.engine.plan.plan import Request
from merbench.engine.resolve import resolve
from merbench.engine.rows.splits import Fold
from merbench.engine.training.evaluate import predict
from merbench.report.scores.paired_differences import Line, differences
from merbench.report.scores.rows.pooled_seeds import by_seed
from merbench.report.scores.statistics.intervals import paired_interval
from merbench.results.metrics import BUILT_IN
from merbench.runs.run import run
from merbench.testing import tiny
from tests.tiny_runs import MACHINE, in_folds

CPU = torch.device("cpu")
SCORE, LABELS = tiny.SPACES["score"], tiny.EMOTIONS


def two_tasks(order=range(6), size: int = 48):
    """A data set with both tasks, each known in other rows; ``order`` of the labels."""
    both = tiny.corpus("joint", size).tasks["task"]
    words, glosses = (tuple(given[i] for i in order) for given in (LABELS.words, LABELS.glosses))
    tasks = {
        "emotions": Task(
            LabelSpace("multilabel", words, glosses),
            both.target[:, 1:][:, list(order)],
            both.known[:, 1:][:, list(order)],
        ),
        "sentiment": Task(SCORE, both.target[:, 0], both.known[:, 0]),
    }
    return in_folds(dataclasses.replace(tiny.corpus("score", size), tasks=tasks))


def plan_of(catalog, corpus, model="merclip", task="sentiment+emotions", settings=None, **request):
    settings = {"train.epochs": 2, "train.batch_size": 6, **(settings or {})}
    return resolve(Request(model, task=task, settings=settings, **request), catalog, corpus, None)


@pytest.mark.parametrize("model", ["merclip", "text-only", "ridge", "majority"])
def test_a_record_has_the_test_metrics_of_both_tasks(catalog, store, model):
    corpus = two_tasks()
    plan = plan_of(catalog, corpus, model, thresholds="tuned_on_valid_per_label")
    (record,) = run(plan, corpus, [0], store, MACHINE)
    assert record.status == "done", record.error
    rows = plan.protocol.splits[0].test
    made = store.predictions(record.run_id).prediction
    sentiment, emotions = corpus.tasks["sentiment"], corpus.tasks["emotions"]
    score = BUILT_IN.of(SCORE).evaluate(
        sentiment.target[rows], made[:, 0], known=sentiment.known[rows]
    )
    labels = BUILT_IN.of(LABELS).evaluate(
        emotions.target[rows], made[:, 1:], record.thresholds, emotions.known[rows]
    )
    assert (
        record.metrics.test == pytest.approx(score | labels)
        and {"mae", "micro_f1", "weighted_f1.happy"} <= record.metrics.test.keys()
    )
    assert (
        len(record.thresholds) == 6
        and record.space.kind == "joint"
        and record.space.label_space().words == plan.task.space.words
    )
    again = by_seed([record.model_copy(update={"metrics": None})], store)[0]
    assert again.metrics == pytest.approx(record.metrics.test), "from the stored predictions alone"


def test_of_the_terms_of_the_loss_each_task_has_its_own_and_the_epoch_is_chosen_by_what_is_asked(
    catalog, store
):
    corpus = two_tasks()
    for select in ("", "micro_f1"):
        plan = plan_of(catalog, corpus, settings={"train.select": select})
        (record,) = run(plan, corpus, [0], store, MACHINE)
        assert set(record.history[0]["loss"]) == {"task.l1", "task.soft_ce", "task.bce"}
        assert (select or "mae") in record.history[0]
        best = [e[select or "mae"] for e in record.history]
        assert record.best_epoch == best.index(max(best) if select else min(best))
    with pytest.raises(
        RequestError, match=r"no metric of a joint task; there are: mae, .*micro_f1"
    ):
        run(
            plan_of(catalog, corpus, settings={"train.select": "accuracy"}),
            corpus,
            [0],
            store,
            MACHINE,
        )


def test_a_row_that_knows_one_task_is_trained_on(catalog):
    """With a label of its own the score's part stays as it was, and the other way round: other rows
    reach the other part.
    """
    corpus = two_tasks()

    def first_loss(changed, part):
        plan = plan_of(catalog, changed, settings={"train.epochs": 1, "train.batch_size": 48})
        fold = Fold(plan.streams, plan.task, plan.protocol.splits[0], plan.lexicon)
        problem = build(plan, fold, 0, CPU)
        return learn(plan, problem, fold, 0).history[0]["loss"][part]

    for name, lacks, mine, other in (
        ("emotions", "sentiment", "task.bce", "task.l1"),
        ("sentiment", "emotions", "task.l1", "task.bce"),
    ):
        task, unknown = corpus.tasks[name], ~corpus.tasks[lacks].known
        rows = np.flatnonzero(
            (unknown if unknown.ndim == 1 else unknown.all(1))
            & (task.known if task.known.ndim == 1 else task.known.all(1))
        )
        row = next(r for r in rows if r in corpus.protocols["standard"].splits[0].train)
        target = task.target.copy()
        target[row] = 1 - target[row]
        changed = dataclasses.replace(
            corpus, tasks=corpus.tasks | {name: dataclasses.replace(task, target=target)}
        )
        assert first_loss(changed, mine) != pytest.approx(first_loss(corpus, mine), rel=1e-4)
        assert first_loss(changed, other) == pytest.approx(first_loss(corpus, other), rel=1e-6)


def test_what_an_unknown_cell_holds_changes_nothing_not_even_nan(catalog):
    made, corpus = [], two_tasks()
    for held in (0.0, math.nan):
        tasks = {
            name: dataclasses.replace(t, target=np.where(t.known, t.target, held))
            for name, t in corpus.tasks.items()
        }
        changed = dataclasses.replace(corpus, tasks=tasks)
        plan = plan_of(catalog, changed, settings={"objective": "task,label-contrast"})
        fold = Fold(plan.streams, plan.task, plan.protocol.splits[0], plan.lexicon)
        problem = build(plan, fold, 0, CPU)
        learn(plan, problem, fold, 0)
        made.append(predict(problem.model, problem.valid, fold.space))
    assert np.array_equal(*made)


def test_the_order_of_the_labels_only_moves_their_columns(catalog):
    """MER-CLIP has no parameter of a label's own, so a data set that names them in another order
    trains the same model.
    """
    order = (2, 0, 5, 4, 1, 3)
    made = []
    for corpus in (two_tasks(), two_tasks(order)):
        plan = plan_of(catalog, corpus, settings={"fusion.dropout": 0.0})
        fold = Fold(plan.streams, plan.task, plan.protocol.splits[0], plan.lexicon)
        problem = build(plan, fold, 0, CPU)
        learn(plan, problem, fold, 0)
        made.append(predict(problem.model, problem.valid, fold.space))
    assert (
        made[1] == pytest.approx(made[0][:, [0, *(1 + i for i in order)]], abs=1e-4)
        and np.ptp(made[0], axis=0).min() > 0
    )


def test_seeds_that_train_together_learn_what_each_learns_alone(catalog):
    corpus, seeds = two_tasks(), [0, 3]
    dropouts = (
        "fusion.dropout",
        "encoder.audio.dropout",
        "encoder.video.dropout",
        "encoder.text.word_dropout",
    )
    plan = plan_of(catalog, corpus, settings=dict.fromkeys(dropouts, 0.0))
    fold = Fold(plan.streams, plan.task, plan.protocol.splits[0], plan.lexicon)
    problems = [build(plan, fold, seed, CPU) for seed in seeds]
    together = learn_together(plan, problems, fold, seeds, lambda seed, entry: None)
    for seed, mine in zip(seeds, together, strict=True):
        fitted = learn(plan, build(plan, fold, seed, CPU), fold, seed)
        for a, b in zip(fitted.history, mine.history, strict=True):
            assert a["loss"] == pytest.approx(b["loss"], abs=1e-5)


def test_folds_are_pooled_and_differences_are_over_the_rows_that_know_the_metrics_task(
    catalog, store
):
    corpus = two_tasks()
    sides = []
    for model in ("text-only", "merclip"):
        plan = plan_of(
            catalog, corpus, model, protocol="folds", thresholds="tuned_on_valid_per_label"
        )
        sides.append(by_seed(run(plan, corpus, [0, 1], store, MACHINE), store))
    base, other = sides
    assert len(base[0].rows.ids) == 48 and set(base[0].metrics) == set(other[0].metrics)
    found = differences(base, other, plan.metrics.headline)
    assert {"mae", "micro_f1"} <= found.keys()
    y, videos = base[0].rows.target, np.array(base[0].rows.videos)
    known = ~np.isnan(y[:, 0])
    a, b = (np.stack([side[s].rows.prediction for s in (0, 1)]) for side in (other, base))
    wanted = paired_interval(
        plan.metrics["mae"].value, y[known, 0], a[:, known, 0], b[:, known, 0], videos[known]
    )
    assert (found["mae"].low, found["mae"].high) == (wanted.low, wanted.high)
    a, b = (
        np.stack([side[s].rows.prediction[:, 1:] >= side[s].cuts for s in (0, 1)])
        for side in (other, base)
    )
    wanted = paired_interval(plan.metrics["micro_f1"].value, y[:, 1:], a, b, videos)
    ends = (found["micro_f1"].low, found["micro_f1"].high)
    assert ends == pytest.approx((wanted.low, wanted.high))


def test_a_split_that_knows_nothing_of_one_task_is_told_before_training(catalog):
    corpus = two_tasks()
    known = corpus.tasks["emotions"].known.copy()
    known[corpus.protocols["standard"].splits[0].valid] = False
    lacking = dataclasses.replace(
        corpus,
        tasks=corpus.tasks
        | {"emotions": dataclasses.replace(corpus.tasks["emotions"], known=known)},
    )
    with pytest.raises(
        RequestError,
        match="no valid row of protocol standard of tiny has a known multilabel target",
    ):
        plan_of(catalog, lacking)


def test_new_utterances_get_a_score_and_probabilities(catalog, store):
    corpus = two_tasks()
    plan = plan_of(catalog, corpus)
    records = run(plan, corpus, [0, 1], store, MACHINE)
    found = apply(
        plan,
        trained(plan, corpus, records, store, MACHINE),
        read_inputs([], ["good good film", "bad"]),
        CPU,
    )
    assert found.prediction.shape == (2, 2, 7) and found.shares.shape == (2, 2, 13)
    score, labels = found.single
    assert score.prediction.shape == (2, 2) and labels.prediction.shape == (2, 2, 6)
    assert score.shares @ np.array(SCORE.anchors) == pytest.approx(score.prediction, abs=1e-5)
    assert labels.shares == pytest.approx(labels.prediction, abs=1e-6) and labels.contribution[
        "text"
    ].shape == (2, 2, 6)


def test_damaged_rows_are_scored_on_both_tasks_and_other_label_words_are_refused(
    catalog, store, tmp_path
):
    corpus = two_tasks()
    plan = plan_of(catalog, corpus)
    records = run(plan, corpus, [0], store, MACHINE)
    clean, damaged = robust(plan, corpus, records, store, MACHINE, parse("text=drop"))
    assert (
        isinstance(clean, Line)
        and clean.scored[0].metrics.keys() == damaged.scored[0].metrics.keys()
    )
    for metric in ("mae", "map"):
        assert damaged.scored[0].metrics[metric] != clean.scored[0].metrics[metric]
        assert math.isfinite(damaged.scored[0].metrics[metric])
    (tmp_path / "labels.toml").write_text("[two]\nbad = -2.0\ngood = 2.0\n")
    with pytest.raises(DataError, match="two at once; choose one of them with --task"):
        read_label_sets(tmp_path / "labels.toml", plan.task.space)


def test_what_one_data_set_taught_is_scored_on_both_tasks_of_another(catalog, store):
    source, target = two_tasks(), two_tasks(size=36)
    source = dataclasses.replace(
        source,
        name="first",
        videos=np.array([f"a{v}" for v in source.videos]),
        texts=np.array([""] * len(source)),
    )
    request = Request(
        "late-fusion-dnn",
        task="sentiment+emotions",
        settings={"train.epochs": 2, "train.batch_size": 6},
    )
    one = pair(request, source, target, catalog, None)

    def make(plan, corpus, seeds=(0,)):
        return list(run(plan, corpus, seeds, store, MACHINE))

    def tune(p):
        return finetuned(
            p,
            make(p.learn, p.source),
            request,
            lambda r: resolve(r, catalog, p.target, None),
            make,
            store,
        )

    both = lambda p: together(p, request, lambda r, c: resolve(r, catalog, c, None), make)  # noqa: E731
    for line in lines([one], make, store, MACHINE, {"finetuned": tune, "together": both}):
        assert {"mae", "micro_f1"} <= line.scored[0].metrics.keys(), line.name
        assert line.scored[0].rows.prediction.shape == (len(one.use.protocol.splits[0].test), 7)
