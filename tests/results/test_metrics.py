"""Every metric against scikit-learn, scipy or the formula, on random and awkward inputs."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from scipy.stats import pearsonr
from sklearn import metrics as sk

from merbench.api import RequestError
from merbench.results.metrics import (
    METRICS,
    choose_thresholds,
    class_metrics,
    default_metric,
    definable,
    evaluate,
    headline,
    multilabel_metrics,
    score_metrics,
    thresholds_of,
)
from merbench.testing.tiny import EMOTIONS, SPACES

few = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])

scores = st.one_of(
    st.floats(-4, 4, allow_subnormal=False),
    st.sampled_from([0.0, -0.0, 0.5, -0.5, 1.5, 2.5, -2.5, 3.0, -3.0, 3.5]),
)
pairs = st.lists(st.tuples(scores, scores), min_size=1, max_size=30)
half = np.full(3, 0.5)


def near(value):
    return pytest.approx(value, abs=1e-9, nan_ok=True)


@st.composite
def cells(draw, n_labels=3):
    """Targets (some empty rows and labels without positives) and probabilities (with ties and exact
    .5).
    """
    n = draw(st.integers(1, 12))
    column = (
        st.lists(st.booleans(), min_size=n, max_size=n) | st.just([False] * n) | st.just([True] * n)
    )
    p = st.lists(
        st.sampled_from([0.0, 0.2, 0.5, 0.7, 1.0]) | st.floats(0, 1), min_size=n, max_size=n
    )
    y = np.array([draw(column) for _ in range(n_labels)]).T
    return y.astype(float), np.array([draw(p) for _ in range(n_labels)]).T


# --- a score


@few
@given(pairs)
def test_score_metrics_agree_with_scikit_learn(rows):
    y, p = np.array(rows).T
    found = score_metrics(y, p)
    assert found["mae"] == near(sk.mean_absolute_error(y, p))
    for steps, end in ((3, 1), (5, 2), (7, 3)):
        classes = [
            [round(max(-end, min(end, x))) for x in side] for side in (y, p)
        ]  # Python rounds half to even too
        assert found[f"acc{steps}"] == near(
            sk.accuracy_score(*classes) if len(set(classes[0])) > 1 else math.nan
        )
    kept = y != 0
    for name, a, b in (("has0", y >= 0, p >= 0), ("non0", y[kept] > 0, p[kept] > 0)):
        both = len(set(a)) > 1
        assert found[f"acc2_{name}"] == near(sk.accuracy_score(a, b) if both else math.nan)
        assert found[f"f1_{name}"] == near(
            sk.f1_score(a, b, average="weighted") if both else math.nan
        )


@few
@given(pairs)
def test_corr_is_pearsons_r(rows):
    y, p = np.array(rows).T
    assume(len(rows) > 1 and y.std() > 1e-3 and p.std() > 1e-3)
    assert score_metrics(y, p)["corr"] == near(pearsonr(y, p).statistic)


@pytest.mark.parametrize("constant", [0.0, 0.3, 1e3])
def test_a_constant_has_no_correlation(constant):
    y = np.linspace(-3, 3, 50)
    rounding = np.float32(constant) + np.random.default_rng(0).normal(size=50) * 1e-8
    for p in (np.full(50, constant), rounding):
        assert math.isnan(score_metrics(y, p)["corr"])
        assert math.isnan(score_metrics(p, y)["corr"])
    assert math.isnan(score_metrics(y[:1], y[:1])["corr"])


def test_zero_counts_as_positive_with_has0_whatever_its_sign():
    found = score_metrics(np.array([-0.0, 0.0, -1.0, 1.0]), np.array([0.0, -0.0, -0.0, 1.0]))
    assert found["acc2_has0"] == near(3 / 4)
    assert found["acc2_non0"] == 1.0  # p = -0.0 is not > 0


def test_on_a_scale_that_does_not_cross_0_no_model_is_right_about_the_sign():
    y = np.array([1.0, 2.0, 3.0, 4.0, 5.0])
    found = score_metrics(y, np.full(5, 3.0))
    assert found["mae"] == near(1.2) and found["acc5"] == near(0.8)
    assert all(
        math.isnan(found[name]) for name in ("acc2_has0", "acc2_non0", "f1_has0", "f1_non0", "acc3")
    )


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


def test_halves_are_rounded_to_even():
    y, p = np.array([0.5, 1.5, 2.5]), np.array([0.0, 2.0, 2.0])
    assert score_metrics(y, p)["acc7"] == 1.0


# --- a class


@few
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=20))
def test_class_metrics_agree_with_scikit_learn(rows):
    y, chosen = np.array(rows).T
    p = np.eye(4)[chosen] * 0.5 + 0.125
    found = class_metrics(y, p, "abcd")
    there = sorted(set(y))
    assert found["accuracy"] == near(sk.accuracy_score(y, chosen))
    assert found["uar"] == near(
        sk.recall_score(y, chosen, labels=there, average="macro", zero_division=0)
    )
    assert found["macro_f1"] == near(
        sk.f1_score(y, chosen, labels=there, average="macro", zero_division=0)
    )
    assert found["weighted_f1"] == near(
        sk.f1_score(y, chosen, labels=range(4), average="weighted", zero_division=0)
    )


# --- emotions


@few
@given(cells())
def test_multilabel_metrics_agree_with_scikit_learn(rows):
    y, p = rows
    found, decided = multilabel_metrics(y, p, "abc", half), p >= 0.5
    has = y.any(axis=0)
    if has.any():
        for name in ("micro", "macro"):
            args = (y, decided) if name == "micro" else (y[:, has], decided[:, has])
            if (
                name == "macro" and has.sum() == 1
            ):  # scikit-learn takes one column for a two-class task
                precision, recall, f1, _ = sk.precision_recall_fscore_support(
                    *(a.ravel() for a in args), average="binary", zero_division=0
                )
            else:
                precision, recall, f1, _ = sk.precision_recall_fscore_support(
                    *args, average=name, zero_division=0
                )
            assert [found[f"{name}_{what}"] for what in ("precision", "recall", "f1")] == near(
                [precision, recall, f1]
            )
        assert found["micro_ap"] == near(sk.average_precision_score(y.ravel(), p.ravel()))
        assert found["map"] == near(
            np.mean([sk.average_precision_score(y[:, c], p[:, c]) for c in np.flatnonzero(has)])
        )
    else:
        assert all(
            math.isnan(found[name])
            for name in (
                "micro_precision",
                "micro_recall",
                "micro_f1",
                "macro_f1",
                "map",
                "micro_ap",
            )
        )
    assert found["subset_accuracy"] == near(sk.accuracy_score(y, decided))
    assert found["jaccard"] == near(
        sk.jaccard_score(y, decided, average="samples", zero_division=1)
    )
    assert found["jaccard_repo"] == near(
        sk.jaccard_score(y, decided, average="samples", zero_division=0)
    )
    weighted = [
        sk.f1_score(y[:, c], decided[:, c], average="weighted", zero_division=0) for c in range(3)
    ]
    assert [found[f"weighted_f1.{word}"] for word in "abc"] == near(weighted)
    assert found["weighted_f1"] == near(np.mean(weighted))
    both = [c for c in range(3) if 0 < y[:, c].sum() < len(y)]
    balanced = [sk.balanced_accuracy_score(y[:, c], decided[:, c]) for c in both]
    assert [found[f"weighted_accuracy.{'abc'[c]}"] for c in both] == near(balanced)
    assert found["weighted_accuracy"] == near(np.mean(balanced) if both else math.nan)


def test_precision_and_recall_are_not_exchanged():
    y, p = (
        np.array([[1.0, 1, 1], [0, 0, 0]]),
        np.array([[0.9, 0.1, 0.1], [0.1, 0.1, 0.1]]),
    )  # one of three found, nothing invented
    found = multilabel_metrics(y, p, "abc", half)
    assert (found["micro_precision"], found["micro_recall"]) == (1.0, near(1 / 3))
    assert found["macro_precision"] == near(1 / 3)  # two labels never predicted: 0, not left out


def test_an_empty_row_tells_the_two_jaccards_apart():
    y, p = np.zeros((4, 3)), np.full((4, 3), 0.1)
    p[0, 0] = 0.9
    found = multilabel_metrics(y, p, "abc", half)
    assert (found["jaccard"], found["jaccard_repo"], found["subset_accuracy"]) == (0.75, 0.0, 0.75)


@few
@given(cells(), st.randoms(use_true_random=False))
def test_unknown_cells_do_not_count(rows, random):
    y, p = rows
    known = np.array([[random.random() < 0.6 for _ in row] for row in y])
    found = multilabel_metrics(y, p, "abc", half, known)
    garbage = multilabel_metrics(
        np.where(known, y, math.nan), np.where(known, p, 1 - p), "abc", half, known
    )
    assert found == near(garbage)
    if (y * known).any():
        assert found["micro_f1"] == near(sk.f1_score(y[known], p[known] >= 0.5, zero_division=0))
        assert found["micro_ap"] == near(sk.average_precision_score(y[known], p[known]))
    rows_known = known.any(axis=1)
    right = [((y[i] == (p[i] >= 0.5)) | ~known[i]).all() for i in np.flatnonzero(rows_known)]
    assert found["subset_accuracy"] == near(np.mean(right) if right else math.nan)


# --- thresholds


@few
@given(cells())
def test_tuned_thresholds_are_the_best_of_the_grid(rows):
    y, p = rows
    grid = [k / 100 for k in range(5, 100, 5)]

    def nearest_best(y, p):
        values = [2 * (y * (p >= t)).sum() / max(1, y.sum() + (p >= t).sum()) for t in grid]
        return min(
            (t for t, v in zip(grid, values, strict=True) if v == max(values)),
            key=lambda t: (round(abs(t - 0.5), 9), t),
        )

    assert choose_thresholds("tuned_on_valid", y, p).tolist() == [nearest_best(y, p)] * 3
    assert choose_thresholds("tuned_on_valid_per_label", y, p).tolist() == [
        nearest_best(y[:, c], p[:, c]) for c in range(3)
    ]


def test_a_fixed_threshold_is_reached_by_an_equal_probability():
    y, p = np.ones((1, 3)), np.full((1, 3), 0.35)
    cut = choose_thresholds("fixed:0.35", y, p)
    assert cut.tolist() == [0.35] * 3
    assert multilabel_metrics(y, p, "abc", cut)["micro_recall"] == 1.0


def test_thresholds_are_not_tuned_on_unknown_cells():
    y, p = np.array([[1.0], [0.0], [math.nan]]), np.array([[0.22], [0.12], [0.99]])
    assert choose_thresholds("tuned_on_valid", y, p, ~np.isnan(y)) == [0.2]


@pytest.mark.parametrize(
    "policy",
    [
        "",
        "fixed",
        "fixed:",
        "fixed:x",
        "fixed:nan",
        "fixed:0",
        "fixed:1.5",
        "tuned",
        "tuned_on_test",
        "tuned_on_valid:2",
    ],
)
def test_a_malformed_policy_is_refused(policy):
    with pytest.raises(RequestError, match="thresholds"):
        choose_thresholds(policy, np.ones((2, 3)), np.ones((2, 3)))


# --- evaluate


def _case(kind, n=20):
    draw = np.random.default_rng(0)
    if kind == "score":
        return draw.normal(size=n), draw.normal(size=n)
    if kind == "class":
        return draw.integers(0, 6, n), draw.dirichlet(np.ones(6), n)
    if kind == "joint":
        return tuple(
            np.column_stack(parts)
            for parts in zip(_case("score", n), _case("multilabel", n), strict=True)
        )
    return (draw.random((n, 6)) < 0.3).astype(float), draw.random((n, 6))


@pytest.mark.parametrize("kind", SPACES)
def test_evaluate_gives_every_metric_of_its_kind_and_json(kind):
    found = evaluate(SPACES[kind], *_case(kind))
    assert {name.partition(".")[0] for name in found} == {
        name for name, info in METRICS.items() if kind in info.kinds
    }
    assert all(type(value) is float for value in found.values())
    assert set(headline(kind)) <= set(found)
    assert default_metric(kind) in headline(kind)
    assert json.loads(json.dumps(found, allow_nan=False)) == found


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


def test_direction():
    assert [name for name, info in METRICS.items() if not info.higher_is_better] == ["mae"]
    assert [default_metric(kind) for kind in ("score", "class", "multilabel", "joint")] == [
        "mae",
        "accuracy",
        "micro_f1",
        "mae",
    ]
