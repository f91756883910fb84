from __future__ import annotations

import numpy as np

from merbench.api import SENTIMENT, Task
from merbench.data.labels.histogram import histogram


def counts(labels, rows):
    return histogram(Task(SENTIMENT, np.array(labels, np.float32)), np.array(rows)).counts


def test_a_few_values_are_counted_as_they_are():
    """CH-SIMS scores in steps of .2; also those that these rows lack."""
    labels = 5 * [-0.8, -0.8, -0.0, 0.2, 1.0, 0.6]
    assert counts(labels, [0, 1, 2, 5]) == {"-0.8": 2, "0": 1, "0.2": 0, "0.6": 1, "1": 0}


def test_many_values_are_counted_at_the_nearest_anchor():
    actual = counts(np.linspace(-1, 1, 50), range(50))
    assert len(actual) == len(SENTIMENT.anchors) and sum(actual.values()) == 50


def test_values_that_three_digits_do_not_tell_apart_have_a_count_each():
    assert counts(5 * [1.001, 1.002], range(10)) == {"1.001": 5, "1.002": 5}
