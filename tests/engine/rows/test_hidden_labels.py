"""``--labels``: hidden by seed, in train alone, counted nowhere."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from merbench.api import RequestError, Task
from merbench.engine.build import build
from merbench.engine.plan.plan import Request
from merbench.engine.resolve import resolve
from merbench.engine.restore import plan_of
from merbench.engine.rows.hidden_labels import canonical, check, hide
from merbench.engine.rows.splits import Fold
from merbench.results.spec import run_id
from merbench.testing import tiny

CPU = torch.device("cpu")
DRAW = np.random.default_rng(0)
LABELS = Task(tiny.EMOTIONS, (DRAW.random((4000, 6)) < 0.4).astype(float))
CLASSES = Task(tiny.CLASSES, DRAW.integers(0, 6, 4000))
ROWS = np.arange(3000)


def test_a_share_of_the_labels_stays_and_other_rows_keep_theirs():
    task = hide("keep:0.3", LABELS, ROWS, 0, None)
    assert task.known[:3000].mean() == pytest.approx(0.3, abs=0.02) and task.known[3000:].all()
    assert np.array_equal(task.known, hide("keep:0.3", LABELS, ROWS, 0, None).known)
    assert not np.array_equal(task.known, hide("keep:0.3", LABELS, ROWS, 1, None).known)
    folds = [hide("keep:0.3", LABELS, ROWS, 0, fold).known for fold in (0, 1)]
    assert not np.array_equal(*folds)
    classes = hide("keep:0.3", CLASSES, ROWS, 0, None)
    assert classes.known.shape == (4000,) and 800 < len(classes.known_rows(ROWS)) < 1000
    before = dataclasses.replace(LABELS, known=DRAW.random((4000, 6)) < 0.5)
    assert not (hide("keep:0.9", before, ROWS, 0, None).known & ~before.known).any()


def test_of_each_row_one_positive_label_stays():
    task = hide("single-positive", LABELS, ROWS, 0, None)
    known, positive = task.known[:3000], LABELS.target[:3000] > 0.5
    assert (known.sum(1) == positive.any(1)).all() and not (known & ~positive).any()
    share = known.sum(0) / known.sum()
    assert share == pytest.approx(np.full(6, 1 / 6), abs=0.03), "drawn among the positives"


@pytest.mark.parametrize(
    ("task", "has"), [(LABELS, LABELS.target[:, 5] > 0.5), (CLASSES, CLASSES.target == 5)]
)
def test_so_many_rows_are_known_to_have_a_label(task, has):
    shot = hide("shots:fear=7", task, ROWS, 0, None)
    known = shot.known[:, 5] if task is LABELS else shot.known
    assert (known & has)[:3000].sum() == 7 and known[~has].all() and known[3000:].all()
    if task is LABELS:
        assert shot.known[:, :5].all()


@pytest.mark.parametrize("policy", ["keep:0.9", "single-positive", "shots:fear=7"])
@pytest.mark.parametrize("task", [LABELS, CLASSES])
def test_what_was_not_known_does_not_become_known_nor_counts_as_a_shot(policy, task):
    if policy == "single-positive" and task is CLASSES:
        pytest.skip("it is for a multilabel task")
    before = dataclasses.replace(task, known=DRAW.random(task.target.shape) < 0.5)
    known = hide(policy, before, ROWS, 0, None).known
    assert not (known & ~before.known).any()
    positive = before.target > 0.5 if task is LABELS else np.eye(6, dtype=bool)[before.target]
    observed = known if task is LABELS else known[:, None]
    if policy == "single-positive":
        per_row = (known & positive)[:3000].sum(1)
        assert (per_row == (before.known & positive)[:3000].any(1)).all()
    elif policy == "shots:fear=7":
        assert (observed & positive)[:3000, 5].sum() == 7


@pytest.mark.parametrize(
    ("policy", "task", "sentence"),
    [
        ("keep", LABELS, "SHARE is a number between 0 and 1"),
        ("keep:1.5", LABELS, "SHARE is a number between 0 and 1"),
        ("some", LABELS, "is none of: keep:SHARE, single-positive"),
        ("single-positive", CLASSES, "for a multilabel task.*this is a class task"),
        ("shots:feer=3", LABELS, "unknown label 'feer'; did you mean 'fear'"),
        ("shots:fear=²", LABELS, "'fear=²' is not of the form WORD=N"),
        ("shots:fear=" + "9" * 5000, LABELS, "is not of the form WORD=N"),
        ("shots:fear=x", LABELS, "'fear=x' is not of the form WORD=N"),
        ("shots:fear=3,sad=1,fear=4", LABELS, "fear is named twice; give it one number"),
        ("shots:fear=3", Task(tiny.SPACES["score"], np.zeros(3)), "this is a score task"),
    ],
)
def test_a_policy_that_does_not_fit_is_refused(policy, task, sentence):
    with pytest.raises(RequestError, match=sentence):
        check(policy, task)


@pytest.mark.parametrize(
    ("policies", "text"),
    [
        (("keep:0.3", "keep:.3", "keep:0.30", "keep:3e-1"), "keep:0.3"),
        (("shots:fear=5,sad=10", "shots:sad=10,fear=05"), "shots:fear=5,sad=10"),
        (("single-positive",), "single-positive"),
        (("",), ""),
        (("keep:x",), "keep:x"),
        (("shots:fear",), "shots:fear"),
    ],
)
def test_equal_policies_have_one_text(policies, text):
    assert {canonical(policy) for policy in policies} == {text}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"labels": "keep:0.3"}, {"labels": "keep:.30"}),
        ({"labels": "shots:fear=5,sad=10"}, {"labels": "shots:sad=10,fear=5"}),
        ({"thresholds": "fixed:0.3"}, {"thresholds": "fixed:.30"}),
    ],
)
def test_equal_policies_make_one_run(catalog, corpus, one, other):
    plans = [resolve(Request("tfn", **policy), catalog, corpus, None) for policy in (one, other)]
    assert plans[0].spec == plans[1].spec and plans[0].track == plans[1].track


def test_a_run_of_before_is_made_again_by_its_own_text(catalog, corpus):
    """Its rows were drawn by what was typed."""
    spec = resolve(Request("tfn", labels="keep:0.3"), catalog, corpus, None).spec
    spec = spec.model_copy(update={"labels": "keep:.30", "thresholds": "fixed:.30"})
    assert plan_of(spec, catalog, corpus, None).spec == spec


@pytest.fixture(scope="module")
def corpus():
    return tiny.corpus("multilabel", size=400)


def problem(catalog, corpus, seed=0, unlabelled=False, **request):
    plan = resolve(Request("tfn", **request), catalog, corpus, None)
    recipe = dataclasses.replace(plan.recipe, unlabelled=unlabelled)
    plan = dataclasses.replace(plan, recipe=recipe)
    fold = Fold(plan.streams, plan.task, plan.protocol.splits[0], plan.lexicon)
    return plan, fold, build(plan, fold, seed, CPU)


def test_hidden_labels_are_counted_nowhere_and_evaluation_has_all(catalog, corpus):
    plan, fold, modules = problem(catalog, corpus)
    hidden, _, few = problem(catalog, corpus, labels="keep:0.3")
    assert modules.train.known is None and few.train.known.float().mean() == pytest.approx(
        0.3, abs=0.05
    )
    assert few.valid.known is None and fold.data("test", few.encoders, CPU).known is None
    taught = fold.for_training("keep:0.3", 0, False)
    assert taught.context.counts.known_C.tolist() == few.train.known.sum(0).tolist()
    positive = (few.train.target * few.train.known).sum(0)
    assert taught.context.counts.positive_C.tolist() == positive.tolist()
    assert (few.train.target[~few.train.known] == 0).all(), "what is hidden cannot be read"
    assert hidden.track.labels == "keep:0.3" and "train labels keep:0.3" in hidden.track.title
    assert "labels" not in plan.track.model_dump() and "labels" not in plan.spec.identity()
    assert run_id(hidden.spec, {}, 0, None) != run_id(plan.spec, {}, 0, None)
    assert plan_of(hidden.spec, catalog, corpus, None).spec == hidden.spec


def test_rows_without_a_label_leave_train_unless_the_recipe_asks_for_them(catalog):
    scores = tiny.corpus("score", size=200)
    _, _, without = problem(catalog, scores, labels="keep:0.5")
    _, fold, with_them = problem(catalog, scores, labels="keep:0.5", unlabelled=True)
    assert 30 < len(without.train) < 70 and without.train.known is None
    assert len(with_them.train) == 100
    assert int(with_them.train.known.sum()) == len(without.train)
    assert (with_them.train.target[~with_them.train.known] == 0).all()
    assert fold.for_training("keep:0.5", 0, False).context.n_train == len(without.train)
    assert fold.for_training("keep:0.5", 0, True).context.n_train == 100
    assert fold.for_training("", 0, True) is fold


def test_only_train_rows_may_be_without_a_label(catalog):
    scores = tiny.corpus("score", size=200)
    known = np.arange(200) % 3 > 0
    tasks = {name: dataclasses.replace(t, known=known) for name, t in scores.tasks.items()}
    partly = dataclasses.replace(scores, tasks=tasks)
    _, fold, modules = problem(catalog, partly, unlabelled=True)
    fold = fold.for_training("", 0, True)
    assert len(modules.train) == len(fold.split.train)
    for mode in ("valid", "test"):
        rows = fold.rows(mode)
        assert known[rows].all() and len(rows) == known[getattr(fold.split, mode)].sum()


@pytest.mark.parametrize("kind", ["score", "class", "multilabel"])
def test_a_policy_that_leaves_no_label_is_told(catalog, kind):
    with pytest.raises(
        RequestError, match=r"--labels keep:1e-06 leaves no known task to the train"
    ):
        problem(catalog, tiny.corpus(kind), labels="keep:1e-6")
