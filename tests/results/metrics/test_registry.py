"""What a task has of metrics: its kind's, those of plugins, the one that ranks."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from merbench.api import MetricDef, RequestError, SumMetric
from merbench.results.metrics import BUILT_IN, choose_thresholds, thresholds_of
from merbench.testing.tiny import EMOTIONS, SPACES
from tests.results.metrics.cases import evaluate


def definable(space, *case):
    return BUILT_IN.of(space).definable(*case)


def test_whether_a_metric_can_be_had_depends_on_the_targets_alone():
    score, emotions = SPACES["score"], SPACES["multilabel"]
    assert definable(score, "corr", np.array([1.0, 2.0])) and not definable(
        score, "corr", np.ones(2)
    )
    assert not definable(score, "acc2_has0", np.array([1.0, 2.0])) and definable(
        score, "acc2_has0", np.array([-1.0, 2.0])
    )
    assert definable(SPACES["class"], "uar", np.array([1, 1]))
    y = np.zeros((2, len(emotions.words)))
    assert definable(emotions, "jaccard", y) and not definable(emotions, "micro_f1", y)


def _case(kind, n=20, seed=0):
    draw = np.random.default_rng(seed)
    if kind == "score":
        return draw.normal(size=n), draw.normal(size=n)
    if kind == "class":
        return draw.integers(0, 6, n), draw.dirichlet(np.ones(6), n)
    if kind == "joint":
        return tuple(
            np.column_stack(parts)
            for parts in zip(_case("score", n, seed), _case("multilabel", n, seed), strict=True)
        )
    return (draw.random((n, 6)) < 0.3).astype(float), draw.random((n, 6))


@pytest.mark.parametrize("kind", SPACES)
def test_evaluate_gives_every_metric_of_its_kind_and_json(kind):
    metrics = BUILT_IN.of(SPACES[kind])
    found = metrics.evaluate(*_case(kind))
    assert {name.partition(".")[0] for name in found} == set(metrics)
    assert all(name in metrics and metrics[name].name == name for name in found)
    assert all(type(value) is float for value in found.values())
    assert set(metrics.headline) <= set(found)
    assert metrics.ranking in metrics.headline
    assert json.loads(json.dumps(found, allow_nan=False)) == found


@pytest.mark.parametrize("kind", SPACES)
def test_runs_that_are_evaluated_at_once_have_the_values_of_each_alone(kind):
    metrics, (y, _) = BUILT_IN.of(SPACES[kind]), _case(kind)
    p = np.stack([_case(kind, seed=seed)[1] for seed in range(4)])
    labels = kind in ("multilabel", "joint")
    known = np.random.default_rng(1).random(y.shape) < 0.8 if labels else None
    cuts = list(np.random.default_rng(2).random((4, 6))) if labels else [None] * 4
    alone = [metrics.evaluate(y, *of_run, known) for of_run in zip(p, cuts, strict=True)]
    assert metrics.evaluate_runs(y, p, cuts, known) == alone
    assert len({json.dumps(values) for values in alone}) == 4


ROW_WISE = [m for m in BUILT_IN.metrics if isinstance(m.value, SumMetric) and m.value.row_wise]


@pytest.mark.parametrize("metric", ROW_WISE, ids=lambda m: f"{m.kinds[0]}-{m.name}")
def test_row_wise_formulas_give_each_row_what_it_has_alone(metric):
    y, p = _case(metric.kinds[0])
    p = p >= 0.5 if metric.kinds == ("multilabel",) else p
    alone = [metric.value.rows(y[[i]], p[[i]]) for i in range(len(y))]
    assert np.array_equal(metric.value.rows(y, p), np.concatenate(alone))


def test_evaluate_says_none_for_what_is_undefined_and_takes_thresholds():
    assert evaluate(SPACES["score"], np.zeros(3), np.ones(3))["acc2_non0"] is None
    y, p = _case("multilabel")
    assert evaluate(EMOTIONS, np.zeros_like(y), p)["micro_f1"] is None
    assert evaluate(EMOTIONS, y, p, [0.2] * 6) != evaluate(EMOTIONS, y, p)
    assert evaluate(EMOTIONS, y, p, [0.5] * 6) == evaluate(EMOTIONS, y, p)


@pytest.mark.parametrize("kind", ["score", "class"])
def test_evaluate_leaves_unknown_rows_out(kind):
    y, p = _case(kind)
    known = np.arange(20) % 3 > 0
    assert evaluate(SPACES[kind], y, p, known=known) == evaluate(SPACES[kind], y[known], p[known])


def test_two_tasks_at_once_have_the_metrics_and_thresholds_of_each_alone():
    """A row that lacks one of them counts for the other."""
    y, p = _case("joint")
    known = np.ones(y.shape, dtype=bool)
    known[::3, 0] = known[1::4, 1:] = False
    known[2, 4] = False
    score = evaluate(SPACES["score"], y[:, 0], p[:, 0], known=known[:, 0])
    for policy in ("fixed:0.4", "tuned_on_valid_per_label"):
        cut = choose_thresholds(policy, y[:, 1:], p[:, 1:], known[:, 1:])
        assert thresholds_of(SPACES["joint"], policy, y, p, known).tolist() == cut.tolist()
        labels = evaluate(EMOTIONS, y[:, 1:], p[:, 1:], cut, known[:, 1:])
        assert not score.keys() & labels.keys()
        assert evaluate(SPACES["joint"], y, p, cut, known) == score | labels
    assert thresholds_of(SPACES["score"], "fixed:0.4", y[:, 0], p[:, 0]) is None


@pytest.mark.parametrize("kind", SPACES)
def test_wrong_inputs_are_refused_in_one_sentence(kind):
    space, (y, p) = SPACES[kind], _case(kind)
    bad = p.copy()
    bad.flat[3] = math.nan
    cases = [
        (y[:5], p),
        (y[:0], p[:0]),
        (y, bad),
        (y, p[..., None]),
        (y * math.nan, p),
        (y, p, None, np.ones(7, bool)),
    ]
    cases += [(y + 0.5, p), (y, p[:, :5])] if kind != "score" else []
    cases += [(y, p, [0.5])] if kind in ("multilabel", "joint") else []
    cases += [(y[:, 0], p), (y, p[:, 0])] if kind == "joint" else []
    for case in cases:
        with pytest.raises(ValueError, match=r"^[^\n]+$"):
            evaluate(space, *case)


@pytest.mark.parametrize("kind", ["score", "class", "multilabel"])
def test_every_metric_is_better_where_all_is_right(kind):
    y, p = _case(kind)
    right = np.eye(p.shape[1])[y] if kind == "class" else y.astype(float)
    best, other = evaluate(SPACES[kind], y, right), evaluate(SPACES[kind], y, p)
    metrics = BUILT_IN.of(SPACES[kind])
    assert all((best[m] > other[m]) == metrics[m].higher_is_better for m in metrics)


def test_the_first_metric_of_a_kind_ranks_it():
    rankings = [BUILT_IN.of(space).ranking for space in SPACES.values()]
    assert rankings == ["mae", "accuracy", "micro_f1", "mae"]


# --- those of plugins


def guest(**changed):
    base = {
        "name": "rmse",
        "kinds": ("score",),
        "title": "RMSE",
        "summary": "root of the mean squared error",
        "value": lambda y, p: math.sqrt(((y - p) ** 2).mean()),
        "higher_is_better": False,
    }
    return MetricDef(**base | changed)


def test_a_plugins_metric_is_one_of_its_kind():
    registry = BUILT_IN.with_plugins([guest(headline=True)])
    metrics = registry.of(SPACES["score"])
    y, p = _case("score")
    assert metrics.evaluate(y, p)["rmse"] == pytest.approx(math.sqrt(((y - p) ** 2).mean()))
    assert metrics.evaluate(y, p, names=["rmse"]).keys() == {"rmse"}
    assert metrics.headline[-1] == "rmse" and metrics.selecting("rmse") == "rmse"
    assert "rmse" in registry.of(SPACES["joint"]) and "rmse" not in registry.of(SPACES["class"])


def test_a_data_set_may_name_the_metric_that_ranks():
    metrics = BUILT_IN.of(SPACES["multilabel"], "micro_ap")
    assert metrics.ranking == metrics.selecting("") == metrics.headline[0] == "micro_ap"
    assert BUILT_IN.of(SPACES["score"], "of-no-plugin").ranking == "mae"


@pytest.mark.parametrize("taken", ["mae", "weighted_f1"])
def test_a_taken_name_is_refused(taken):
    with pytest.raises(RequestError, match=f"{taken}.*give it another"):
        BUILT_IN.with_plugins([guest(name=taken, kinds=("score", "class", "multilabel"))])


def test_a_metric_of_labels_reads_decisions_or_probabilities_as_it_says():
    seen = {}

    def look(y, p, which):
        seen[which] = p
        return 0.0

    both = [
        guest(name=reads, kinds=("multilabel",), value=partial(look, which=reads), reads=reads)
        for reads in ("decisions", "probabilities")
    ]
    y, p = _case("multilabel")
    BUILT_IN.with_plugins(both).of(EMOTIONS).evaluate(y, p, [0.3] * 6)
    assert (seen["decisions"] == (p >= 0.3)).all() and (seen["probabilities"] == p).all()


def test_what_a_plugins_metric_raises_names_it():
    broken = guest(value=lambda y, p: 1 / 0)
    with pytest.raises(RequestError, match=r"rmse.*ZeroDivisionError"):
        BUILT_IN.with_plugins([broken]).of(SPACES["score"]).evaluate(*_case("score"))


def test_metrics_of_another_range_do_not_apply():
    inside = SPACES["score"].anchors
    narrow = replace(SPACES["score"], anchors=tuple(a / 3 for a in inside))
    names = set(BUILT_IN.of(narrow))
    assert {"mae", "acc2_has0", "acc2_sims", "acc5_sims", "r2"} <= names
    assert not names & {"acc3", "acc5", "acc7"}
    assert {"acc7", "acc5_sims"} <= set(BUILT_IN.of(narrow, every_span=True))
    assert not {"acc2_sims", "r2"} & set(BUILT_IN.of(SPACES["score"]))
