"""The bootstrap against an explicit loop, the tests against enumeration and the definition, and the
calibration of the interval.
"""

from __future__ import annotations

import math
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest, norm, permutation_test, t

from merbench.report.scores.statistics.intervals import Interval, Paired, interval, paired_interval
from merbench.report.scores.statistics.means import half_width, summarise
from merbench.report.scores.statistics.p_values import adjusted, holm, sign_flip
from merbench.results.metrics import BUILT_IN
from merbench.testing.tiny import SPACES
from tests.report.scores.statistics.calibration import (
    BOARD,
    CASES,
    NULL,
    coverage,
    false_ranks,
    found_significant,
)
from tests.results.metrics.cases import class_metrics, multilabel_metrics, score_metrics

SEEDS, ROWS = 4, 40
METRICS = {kind: BUILT_IN.of(SPACES[kind]) for kind in ("score", "class", "multilabel")}
NAMES = [(kind, name) for kind, metrics in METRICS.items() for name in metrics]
MAE, CORR = METRICS["score"]["mae"].value, METRICS["score"]["corr"].value
MICRO_F1 = METRICS["multilabel"]["micro_f1"].value


def case(kind, seed=0):
    """Targets, predictions of two models, videos of different sizes that do not stand together."""
    draw = np.random.default_rng(seed)
    videos = [f"video{v}" for v in draw.integers(0, 7, ROWS)]
    if kind == "score":
        y = np.round(draw.normal(size=ROWS), 1)
        return (
            y,
            y + draw.normal(size=(SEEDS, ROWS)),
            0.5 * y + draw.normal(size=(SEEDS, ROWS)),
            videos,
        )
    if kind == "class":
        return (
            draw.integers(0, 3, ROWS),
            *(draw.dirichlet(np.ones(3), (SEEDS, ROWS)) for _ in "ab"),
            videos,
        )
    return (
        (draw.random((ROWS, 3)) < 0.3).astype(float),
        *(draw.random((SEEDS, ROWS, 3)) for _ in "ab"),
        videos,
    )


ALL_METRICS = {
    "score": score_metrics,
    "class": lambda y, p: class_metrics(y, p, "abc"),
    "multilabel": lambda y, p: multilabel_metrics(y, p, "abc", np.full(3, 0.5)),
}
"""As a run's evaluation computes them."""


@pytest.fixture(scope="module")
def whole_split():
    """Kind and name -> the metric as a run's evaluation computes it: all of a kind at once, and
    once for the resamples, which the metrics share.
    """
    values: dict[tuple[str, bytes, bytes], dict[str, float]] = {}

    def metric(kind, name):
        def value(y, p):
            key = kind, y.tobytes(), p.tobytes()
            if key not in values:
                values[key] = ALL_METRICS[kind](y, p)
            return values[key][name]

        return value

    return metric


def by_hand(metric, y, models, videos, resamples, seed=0, level=0.95):
    """The same draws, with rows repeated and the metric computed anew."""
    names = sorted(set(videos))
    draw = np.random.default_rng(seed)
    of_video = [np.flatnonzero(np.array(videos) == name) for name in names]

    def mean_over_seeds(rows, times_S):
        values = [
            np.subtract(*(metric(y[rows], p[s][rows]) for p in models))
            if len(models) == 2
            else metric(y[rows], models[0][s][rows])
            for s in range(SEEDS)
        ]
        return sum(w * v for w, v in zip(times_S, values, strict=True)) / sum(times_S), values

    videos_R = draw.multinomial(len(names) - 1, np.full(len(names), 1 / len(names)), size=resamples)
    seeds_R = draw.multinomial(SEEDS - 1, np.full(SEEDS, 1 / SEEDS), size=resamples)
    rows_R = [
        np.concatenate([np.tile(rows, k) for rows, k in zip(of_video, times, strict=True)])
        for times in videos_R
    ]
    mean, values = mean_over_seeds(np.arange(ROWS), np.ones(SEEDS))
    both = [mean_over_seeds(rows, times)[0] for rows, times in zip(rows_R, seeds_R, strict=True)]
    of_seeds, of_videos = (
        np.var(values, ddof=1) / SEEDS,
        np.var([mean_over_seeds(rows, np.ones(SEEDS))[0] for rows in rows_R]),
    )
    df = (of_seeds + of_videos) ** 2 / (of_seeds**2 / (SEEDS - 1) + of_videos**2 / (len(names) - 1))
    if len(models) == 2:
        error, ppf = np.std(both, ddof=1), t.ppf((1 + level) / 2, df)
        p = 2 * t.sf(abs(mean) / error, df)
        return Paired(mean, mean - ppf * error, mean + ppf * error, p)
    stretch = t.ppf((1 + level) / 2, df) / norm.ppf((1 + level) / 2)
    # The k-th smallest of R lies at k / (R + 1), between them one goes straight.
    low, high = np.interp(
        [(1 - level) / 2, (1 + level) / 2],
        np.arange(1, len(both) + 1) / (len(both) + 1),
        np.sort(both),
    )
    return Interval(mean, mean + stretch * (low - mean), mean + stretch * (high - mean))


# --- means


def test_summary():
    assert summarise([1.0, 2.0, None, math.nan, 4.0]) == pytest.approx(
        (7 / 3, np.std([1, 2, 4], ddof=1), 3)
    )
    single, none = summarise([0.5]), summarise([None])
    assert (single.mean, single.n, none.n) == (0.5, 1, 0)
    assert math.isnan(single.sd)
    assert math.isnan(none.mean)


# --- the bootstrap


@pytest.mark.parametrize(("kind", "name"), NAMES)
def test_interval_is_what_a_loop_over_resamples_gives(kind, name, whole_split):
    y, a, b, videos = case(kind)
    metric = whole_split(kind, name)
    formula = METRICS[kind][name].value
    assert interval(formula, y, a, videos, resamples=12) == pytest.approx(
        by_hand(metric, y, [a], videos, 12), abs=1e-9
    )
    assert paired_interval(formula, y, a, b, videos, resamples=12, seed=3) == pytest.approx(
        by_hand(metric, y, [a, b], videos, 12, seed=3), abs=1e-9
    )


def test_any_function_is_a_metric():
    y, a, b, videos = case("score")
    assert paired_interval(
        lambda y, p: np.abs(y - p).mean(), y, a, b, videos, resamples=50
    ) == pytest.approx(paired_interval(MAE, y, a, b, videos, resamples=50), abs=1e-12)


def test_decisions_and_unknown_cells_of_a_multilabel_task():
    y, p, _, videos = case("multilabel")
    known = np.random.default_rng(1).random(y.shape) < 0.7
    unknown = np.where(known, y, np.nan)
    p[:, ::3] = 0.5  # reached, so predicted
    assert interval(MICRO_F1, y, p >= 0.5, videos) == interval(MICRO_F1, y, p, videos)
    means = [multilabel_metrics(y, p_NC, "abc", np.full(3, 0.5), known)["micro_f1"] for p_NC in p]
    assert interval(MICRO_F1, unknown, p, videos).mean == pytest.approx(np.mean(means))


def test_the_order_of_rows_and_the_names_of_videos_do_not_matter():
    y, a, b, videos = case("score")
    order = np.random.default_rng(1).permutation(ROWS)
    moved = paired_interval(
        CORR, y[order], a[:, order], b[:, order], [f"v{videos[i]}" for i in order]
    )
    assert moved == pytest.approx(paired_interval(CORR, y, a, b, videos), abs=1e-9)


def test_intervals_are_repeatable_wider_at_a_higher_level_and_antisymmetric():
    y, a, b, videos = case("score")
    ab, ba = paired_interval(MAE, y, a, b, videos), paired_interval(MAE, y, b, a, videos)
    assert paired_interval(MAE, y, a, b, videos) == ab
    assert ba == pytest.approx((-ab.mean, -ab.high, -ab.low, ab.p))
    wide = paired_interval(MAE, y, a, b, videos, level=0.99)
    assert wide.low < ab.low < ab.mean < ab.high < wide.high
    assert paired_interval(MAE, y, a, a, videos) == (0, 0, 0, 1)


@pytest.mark.parametrize("level", [0.5, 0.9, 0.99])
def test_the_p_of_an_interval_inverts_it(level):
    """At the level 1 - p one end of the interval is 0."""
    y, a, b, videos = case("score")
    p = paired_interval(MAE, y, a, b, videos).p
    at_its_p = paired_interval(MAE, y, a, b, videos, level=1 - p)
    assert min(abs(at_its_p.low), abs(at_its_p.high)) < 1e-9
    difference = paired_interval(MAE, y, a, b, videos, level=level)
    assert (difference.low > 0 or difference.high < 0) == (p < 1 - level)


def test_rows_of_one_video_are_not_independent():
    draw = np.random.default_rng(0)
    videos = np.repeat(np.arange(20), 10)
    y, p = np.zeros(200), np.abs(draw.normal(size=20))[videos][None] + np.zeros((2, 1))
    by_video, by_row = interval(MAE, y, p, videos), interval(MAE, y, p, np.arange(200))
    assert by_video.high - by_video.low > 2.5 * (by_row.high - by_row.low)


def test_undefined_seeds_are_left_out_and_nothing_is_made_up():
    y, a, _, videos = case("score")
    collapsed = np.concatenate([a, np.zeros((1, ROWS))])
    assert interval(CORR, y, collapsed, videos).mean == pytest.approx(
        interval(CORR, y, a, videos).mean
    )
    assert np.isnan(interval(CORR, y, np.zeros((3, ROWS)), videos)).all()
    one_video = interval(MAE, y, a, ["v"] * ROWS)
    assert not math.isnan(one_video.mean)
    assert np.isnan(one_video[1:]).all()
    one_seed = interval(MAE, y, a[:1], videos)
    assert one_seed.low < one_seed.mean < one_seed.high


def test_what_does_not_fit_is_refused():
    y, a, b, videos = case("score")
    with pytest.raises(ValueError, match="different shapes"):
        paired_interval(MAE, y, a, b[:2], videos)
    for metric in (MAE, lambda y, p: np.abs(y - p).mean()):
        for wrong in ((y[:5], a, videos), (y, a, videos[:5]), (y, a[0], videos)):
            with pytest.raises(ValueError, match="videos"):
                interval(metric, *wrong)


# The tolerance is three Monte Carlo errors; the crossed bootstrap counts the effect of a seed on a
# video three times, so its coverage may lie above. ``python -m tests.report.scores.statistics.calibration`` has the
# full figures.
@pytest.mark.parametrize(
    ("effects", "at_most"), [(e, 1.0 if not e.of_video and e.of_both else 0.98) for e in CASES]
)
def test_the_interval_covers_as_often_as_it_says(effects, at_most):
    assert 0.95 - 3 * math.sqrt(0.95 * 0.05 / 300) <= coverage(effects, 300) <= at_most


def test_one_model_against_itself_with_other_seeds_is_seldom_significant():
    assert found_significant(NULL, 0, 200) <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / 200)
    assert found_significant(NULL, 0.6, 100) >= 0.9


def test_equal_models_are_seldom_separated_on_a_board():
    """Family-wise, over all pairs; ``docs/statistics.md`` has the figures of 1,000 boards."""
    assert false_ranks(BOARD, 60, models=8) <= 0.05 + 2 * math.sqrt(0.05 * 0.95 / 60)


# --- p-values


@settings(max_examples=30)
@given(st.lists(st.floats(-3, 3).map(lambda x: round(x, 2)), min_size=1, max_size=9))
def test_sign_flip_is_the_enumeration(differences):
    total = abs(sum(differences))
    flips = [
        abs(sum(s * d for s, d in zip(signs, differences, strict=True)))
        for signs in product((1, -1), repeat=len(differences))
    ]
    assert sign_flip(differences) == pytest.approx(
        sum(f >= total - 1e-9 for f in flips) / len(flips)
    )


def test_sign_flip_agrees_with_scipy():
    for n in (5, 8, 13):
        d = np.random.default_rng(n).normal(0.3, 1, n)
        reference = permutation_test(
            (d,),
            lambda x, axis: x.mean(axis=axis),
            permutation_type="samples",
            vectorized=True,
            n_resamples=np.inf,
        )
        assert sign_flip(d) == pytest.approx(reference.pvalue)


def test_the_smallest_p_and_the_edges():
    assert [sign_flip([0.1] * n) for n in (5, 6, 10)] == [0.0625, 0.03125, 2 / 1024]
    assert sign_flip([0.0] * 5) == 1
    assert sign_flip([0.1, math.nan, 0.1]) == sign_flip([0.1, 0.1])
    assert math.isnan(sign_flip([math.nan]))


def test_many_seeds_are_drawn_repeatably_and_never_give_zero():
    d = np.random.default_rng(0).normal(0.4, 1, 20)
    exact = np.abs((1 - 2 * (np.arange(2**19)[:, None] >> np.arange(20) & 1)) @ d) >= abs(d.sum())
    assert sign_flip(d) == sign_flip(d) == pytest.approx(exact.mean(), abs=0.005)
    assert 0 < sign_flip([1.0] * 40) < 1e-3


@settings(max_examples=50)
@given(st.lists(st.floats(0, 1) | st.sampled_from([0.01, 0.02]), min_size=1, max_size=8))
def test_holm_rejects_by_its_definition(p_values):
    """Step down: the k-th smallest is compared with alpha / (m - k + 1), and the first failure
    stops.
    """
    adjusted = holm(p_values)
    for alpha in (0.005, 0.01, 0.05, 0.2, 0.5):
        if np.isclose(adjusted, alpha).any():
            continue  # equal but for rounding
        rejected = set()
        for k, i in enumerate(np.argsort(p_values, kind="stable")):
            if p_values[i] * (len(p_values) - k) > alpha:
                break
            rejected.add(int(i))
        assert {i for i, p in enumerate(adjusted) if p <= alpha} == rejected


def test_holm_leaves_out_what_is_no_test():
    assert holm([0.01, math.nan, 0.04, 0.03]).tolist() == pytest.approx(
        [0.03, math.nan, 0.06, 0.06], nan_ok=True
    )
    assert holm([]).tolist() == []
    assert holm([0.9, 0.8]).tolist() == [1, 1]


def test_the_adjusted_p_is_the_larger_of_both_and_corrects_the_intervals():
    tests = [(0.002, 0.0004), (0.03, 0.0004), (0.002, 0.03), (math.nan, 0.01), (0.01, math.nan)]
    expected = [0.002, 0.03, 0.03, math.nan, math.nan]
    assert adjusted(tests).tolist() == pytest.approx(expected, nan_ok=True)
    assert adjusted([(0.002, 0.01)] * 10).tolist() == pytest.approx([0.1] * 10)
    assert adjusted([]).tolist() == []


def test_half_width():
    assert half_width(0.86, 686) == pytest.approx(0.026, abs=0.0005)
    assert half_width(0.5, 100) == pytest.approx(1.959964 * 0.05)
    z = 1.959964
    assert half_width(1.0, 30) == pytest.approx(z * z / 60 / (1 + z * z / 30))
    assert half_width(0.0, 30) == half_width(1.0, 30)
    low, high = binomtest(3, 100).proportion_ci(method="wilson")
    assert half_width(0.03, 100) == pytest.approx((high - low) / 2)
