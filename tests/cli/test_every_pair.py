"""The matrix of every pair: differences in the unit that tables have (accuracies in percent, errors as
they are), as wide as the terminal.
"""

from __future__ import annotations

import math

import pytest

from merbench.api.declarations.metrics import MetricFacts
from merbench.cli.look.compare.every_pair import _blocks, _cell
from merbench.report.scores.paired_differences import Difference
from merbench.report.tables.numbers import signed_interval

ACCURACY = MetricFacts(
    name="acc2", title="Acc-2", summary="", higher_is_better=True, digits=1, scale=100
)
ERROR = MetricFacts(name="mae", title="MAE", summary="", higher_is_better=False)
DIFFERENCE = Difference(0.0123, -0.004, 0.0296, 0.02, p_adjusted=0.03)


def test_a_difference_has_the_unit_of_the_tables():
    assert _cell(DIFFERENCE, ACCURACY) == "+1.2*" and _cell(DIFFERENCE, ERROR) == "+0.012*"
    ends = (DIFFERENCE.low, DIFFERENCE.high)
    assert signed_interval(ends, ACCURACY) == "[-0.4, +3.0]"
    assert signed_interval(ends, ERROR) == "[-0.004, +0.030]"


def test_what_rounds_to_nothing_has_no_sign_of_a_loss():
    none = Difference(-0.0001, -0.0004, -0.0, 0.9)
    assert _cell(none, ERROR) == "+0.000"
    assert signed_interval((none.low, none.high), ERROR) == "[+0.000, +0.000]"
    assert signed_interval((math.nan, math.nan), ERROR) == "–"


@pytest.mark.parametrize(
    ("width", "blocks"),
    [
        (None, [(2, 3, 4, 5)]),
        (80, [(2, 3, 4, 5)]),
        (40, [(2, 3), (4, 5)]),
        (10, [(2,), (3,), (4,), (5,)]),
    ],
)
def test_a_matrix_is_cut_to_the_terminal(monkeypatch, width, blocks):
    monkeypatch.setattr("merbench.cli.look.compare.every_pair.room", lambda: width)
    assert [
        tuple(at + 1 for at in block)
        for block in _blocks(["one", "a model of 17 c.", "3", "4", "5"])
    ] == blocks
