"""Metrics of classes and labels against scikit-learn, on random and awkward inputs."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as sk

from merbench.results.metrics.multilabel import mean_average_precision, micro_average_precision
from tests.results.metrics.cases import (
    cells,
    class_metrics,
    few,
    half,
    multilabel_metrics,
    near,
)


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


@few
@given(cells(), st.integers(0, 2**32 - 1))
def test_a_weighted_row_of_a_ranking_counts_as_if_it_were_repeated(rows, seed):
    y, p = rows
    weights_RN = np.random.default_rng(seed).integers(0, 3, size=(4, len(y)))
    for metric in (mean_average_precision, micro_average_precision):
        repeated = []
        for weights_N in weights_RN:
            drawn = np.repeat(np.arange(len(y)), weights_N)
            repeated.append(metric(y[drawn], p[drawn], np.ones((1, len(drawn))))[0])
        assert np.allclose(metric(y, p, weights_RN), repeated, equal_nan=True, atol=1e-12)
