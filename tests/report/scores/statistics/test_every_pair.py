"""All pairs at once are what each pair is by itself."""

from __future__ import annotations

import math
from itertools import combinations

import numpy as np
import pytest

from merbench.report.scores.statistics.every_pair import every_pair
from merbench.report.scores.statistics.intervals import Resampler
from merbench.report.scores.statistics.p_values import adjusted, sign_flip
from merbench.report.scores.statistics.stacks import Models


def one_by_one(seeds, values, resampler):
    """(mean, low, high, sign-flip p, p of the interval) of each pair, None without a common seed or
    value.
    """
    tests = {}
    for a, b in combinations(seeds, 2):
        common = [seed for seed in seeds[a] if seed in seeds[b]]
        a_RS, b_RS = (values[n][:, [seeds[n].index(s) for s in common]] for n in (a, b))
        difference_S = b_RS[0] - a_RS[0]
        tests[a, b] = None
        if common and not np.isnan(difference_S).any():
            *ends, p = resampler.difference(b_RS, a_RS)
            tests[a, b] = (*ends, sign_flip(difference_S.tolist()), p)
    return tests


@pytest.mark.parametrize("jobs", [1, 2])
@pytest.mark.parametrize("videos", [1, 12])
@pytest.mark.parametrize("gaps", ["none", "of all models", "of some", "in the values themselves"])
def test_every_pair_is_what_it_is_alone(videos, gaps, jobs):
    draw = np.random.default_rng(0)
    resampler = Resampler([f"v{row % videos}" for row in range(60)], resamples=100)
    seeds = {f"m{i}": list(range(10 if i % 3 else 6)) for i in range(9)} | {"other seeds": [20, 21]}
    common_R = draw.normal(size=(101, 1))
    values = {
        name: common_R + draw.normal(0, 0.1, (101, len(of_model))) + draw.normal(0, 0.05)
        for name, of_model in seeds.items()
    }
    values["m7"] = values["m8"].copy()
    values["m5"] = values["m8"] + draw.normal(0, 1e-5, (101, 10))
    for value_RS in values.values() if gaps == "of all models" else ():
        value_RS[[5, 9]] = np.nan
    if gaps == "of some":
        values["m0"][8] = values["m2"][7, 3] = values["m3"][8] = np.nan
    if gaps == "in the values themselves":
        values["m0"][0, 5] = np.nan
    tests = every_pair(Models(seeds, resampler, 100), list(seeds), values.get, jobs)
    expected = one_by_one(seeds, values, resampler)
    for (a, b), numbers in expected.items():
        test = tests.of(a, b)
        assert (test is None) == (numbers is None)
        if test:
            np.testing.assert_allclose(test[:5], numbers, rtol=1e-9, atol=1e-15)
    p_values = [numbers[3:] if numbers else (math.nan,) * 2 for numbers in expected.values()]
    np.testing.assert_allclose(tests.p_P, adjusted(p_values), rtol=1e-9)
