"""The best predictor against a search over all predictions, its score against the metrics, its
expectation against the mean.
"""

from functools import cache

import numpy as np
import pytest

from merbench.api import SENTIMENT, Corpus, LabelSpace, Law, RequestError, Task
from merbench.data.labels.best_possible import best_predictions, best_scores, subsets
from merbench_datasets.sample.data_set import Sample
from tests.results.metrics.cases import score_metrics

LEVELS = np.arange(-3.0, 4.0)
ALL = ("text", "audio", "video")
METRICS = ("mae", "acc2_has0", "acc2_non0", "acc7")


def corpus_of(target, levels, p):
    n = len(target)
    name = np.array([str(i) for i in range(n)])
    tasks = {"sentiment": Task(SENTIMENT, target, law=Law(levels, lambda modalities: p))}
    return Corpus("made", name, name, name, tasks, {}, {})


@pytest.fixture(scope="module")
def large():
    return Sample(Sample.Config(train=1, valid=1, test=6000, seed=2)).load()


def expected_score(metric, levels, p_K, prediction):
    """By the metrics of the suite, one target level at a time, beside a row of another class that
    is predicted right (alone it would have no accuracy). acc2_non0: given that the target is not 0.
    """
    pairs = [
        (w, beside_one_that_is_right(float(y), float(prediction))[metric])
        for w, y in zip(p_K, levels, strict=True)
        if metric != "acc2_non0" or y != 0
    ]
    scores = [w * (2 * both - (metric != "mae")) for w, both in pairs]
    return sum(scores) / sum(w for w, _ in pairs)


@cache
def beside_one_that_is_right(y, prediction):
    other = -3.0 if y >= 0 else 3.0
    return score_metrics(np.array([y, other]), np.array([prediction, other]))


@pytest.mark.parametrize("levels", [LEVELS, np.array([-2.6, -1.0, -0.2, 0.0, 0.4, 1.2, 1.4, 3.0])])
@pytest.mark.parametrize("metric", METRICS)
def test_no_prediction_is_better(metric, levels):
    p = np.random.default_rng(0).dirichlet(np.full(len(levels), 0.7), size=6)
    sign = -1 if metric == "mae" else 1
    for p_K, best in zip(p, best_predictions(levels, p)[metric], strict=True):
        grid = [sign * expected_score(metric, levels, p_K, x) for x in np.linspace(-3.2, 3.2, 33)]
        assert sign * expected_score(metric, levels, p_K, best) >= max(grid) - 1e-9


def test_scored_and_expected_are_the_metrics_of_the_best_predictor(large):
    rows = np.arange(40, 90)
    law = large.tasks["sentiment"].law
    levels, p = law.outcomes, law.posterior(frozenset({"text"}))
    y = large.tasks["sentiment"].target[rows]
    best = best_predictions(levels, p[rows])
    for metric, limit in best_scores(large, "sentiment", rows, ("text",)).items():
        assert limit.scored == pytest.approx(score_metrics(y, best[metric])[metric])
        kept = [i for i in range(len(rows)) if metric != "acc2_non0" or y[i] != 0]
        by_hand = [expected_score(metric, levels, p[rows[i]], best[metric][i]) for i in kept]
        assert limit.expected == pytest.approx(np.mean(by_hand))
    assert set(best_scores(large, "sentiment", rows, ("text",))) == set(METRICS)


@pytest.mark.parametrize("modalities", [(), ("text",), ALL])
def test_expected_is_what_is_scored_up_to_chance(large, modalities):
    n = len(large)
    for metric, limit in best_scores(large, "sentiment", np.arange(n), modalities).items():
        one_row = 2.0 if metric == "mae" else 0.5  # no standard deviation of a row is larger
        assert abs(limit.scored - limit.expected) < 4 * one_row / np.sqrt(n * 0.85)


def test_scored_mean_over_draws_from_the_posterior_is_expected():
    rng = np.random.default_rng(1)
    p = rng.dirichlet(np.ones(7), size=6)
    draws = [LEVELS[[rng.choice(7, p=p_K) for p_K in p]] for _ in range(1500)]
    found = [best_scores(corpus_of(y, LEVELS, p), "sentiment", np.arange(6), ALL) for y in draws]
    for metric in METRICS:
        gap = np.array([f[metric].scored - f[metric].expected for f in found])
        gap = gap[np.isfinite(gap)]
        assert abs(gap.mean()) < 4 * gap.std() / np.sqrt(len(gap))


def test_more_modalities_are_never_worse(large):
    reached = {
        frozenset(s): best_scores(large, "sentiment", np.arange(len(large)), s)
        for s in ((), *subsets(ALL))
    }
    for small, few in reached.items():
        for big, many in reached.items():
            if small <= big:
                assert many["mae"].expected <= few["mae"].expected + 1e-9
                assert all(many[m].expected >= few[m].expected - 1e-9 for m in METRICS[1:])
    assert (
        reached[frozenset(ALL)]["mae"].expected
        < reached[frozenset({"text", "audio"})]["mae"].expected - 0.5
    )


def test_rows_that_are_all_zero_have_no_acc2_non0():
    limit = best_scores(
        corpus_of(np.zeros(3), LEVELS, np.full((3, 7), 1 / 7)), "sentiment", np.arange(3), ALL
    )["acc2_non0"]
    assert np.isnan(limit.scored) and np.isnan(limit.expected)


def test_subsets_are_in_the_canonical_order():
    assert subsets(["video", "text"]) == (("text",), ("video",), ("text", "video"))
    assert subsets(ALL) == (
        ("text",), ("audio",), ("video",), ("text", "audio"), ("text", "video"), ("audio", "video"), ALL,
    )  # fmt: skip


def test_a_set_without_a_known_law_is_refused(large):
    tasks = {"sentiment": Task(SENTIMENT, large.tasks["sentiment"].target)}
    corpus = Corpus("mosi", large.ids, large.videos, large.texts, tasks, {}, {})
    with pytest.raises(RequestError, match="'mosi'"):
        best_scores(corpus, "sentiment", np.arange(3), ALL)


# --- labels: two of them, four sets

SETS = np.array([[0, 0], [0, 1], [1, 0], [1, 1]])


def labels_of(truth, alone, target):
    space = LabelSpace("multilabel", ("joy", "fear"), ("joy", "fear"))
    law = Law(SETS, lambda modalities: truth, lambda modalities: alone)
    name = np.arange(len(target)).astype(str)
    tasks = {"emotions": Task(space, target.astype(float), law=law)}
    return Corpus("made", name, name, name, tasks, {}, {})


@pytest.mark.parametrize("metric", ["micro_f1", "subset_accuracy"])
def test_no_decisions_over_labels_are_better(metric):
    """Against every way to decide on all labels of three rows."""
    rng = np.random.default_rng(0)
    truth = rng.dirichlet(np.ones(4), size=3)
    best = best_scores(
        labels_of(truth, truth @ SETS, np.ones((3, 2))), "emotions", np.arange(3), ALL
    )

    def expected(decided):
        if metric == "subset_accuracy":
            return np.mean(
                [p[(d == SETS).all(axis=1)][0] for p, d in zip(truth, decided, strict=True)]
            )
        p = truth @ SETS
        return 2 * (p * decided).sum() / (decided.sum() + p.sum())

    every = [np.array(x).reshape(3, 2) for x in np.ndindex(*(2,) * 6)]
    assert best[metric].expected == pytest.approx(max(map(expected, every)))


def test_expected_scores_of_labels_are_what_is_scored_over_draws():
    rng = np.random.default_rng(1)
    n = 400
    truth = rng.dirichlet([0.7, 0.3, 0.3, 1.0], size=n)
    for together in (True, False):
        draws = [SETS[[rng.choice(4, p=p) for p in truth]] for _ in range(40)]
        scores = [
            best_scores(
                labels_of(truth, truth @ SETS, y),
                "emotions",
                np.arange(n),
                ALL,
                co_occurrence=together,
            )
            for y in draws
        ]
        for metric in scores[0]:
            gap = np.array([s[metric].scored - s[metric].expected for s in scores])
            # A ratio of means is the mean of a ratio up to 1/n.
            assert abs(gap.mean()) < 4 * gap.std() / np.sqrt(len(gap)) + 2 / n, metric


def test_a_label_that_is_shown_tells_of_the_one_that_is_not():
    """Both labels always occur together: shown one, the other is known; label by label it is not."""
    truth = np.tile([0.5, 0.0, 0.0, 0.5], (50, 1))
    y = np.repeat(np.random.default_rng(0).random((50, 1)) < 0.5, 2, axis=1)
    corpus = labels_of(truth, np.full((50, 2), 0.5), y)
    shown = np.tile([True, False], (50, 1))
    sure = best_scores(corpus, "emotions", np.arange(50), ALL, shown=shown)
    blind = best_scores(corpus, "emotions", np.arange(50), ALL, shown=shown, co_occurrence=False)
    assert sure["micro_f1"].scored == sure["map"].scored == 1
    assert sure["micro_f1"].expected == pytest.approx(1)
    assert blind["micro_f1"].scored < 0.8


def test_rounding_of_the_processor_ranks_no_row_before_another():
    """Average precision looks at ranks, so that a last bit would change it."""
    draw = np.random.default_rng(0)
    truth, y = np.full((50, 4), 0.25), draw.random((50, 2)) < 0.5
    rounded_otherwise = 0.75 + np.spacing(0.75) * draw.integers(-3, 4, (50, 2))
    equal, noisy = (
        best_scores(labels_of(truth, alone, y), "emotions", np.arange(50), ALL, co_occurrence=False)
        for alone in (np.full((50, 2), 0.75), rounded_otherwise)
    )
    assert {name: best.scored for name, best in noisy.items()} == {
        name: best.scored for name, best in equal.items()
    }
    assert noisy["map"].expected == pytest.approx(equal["map"].expected)
