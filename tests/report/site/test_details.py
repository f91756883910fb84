"""The test behind a rank or an ablation, in words."""

from __future__ import annotations

import pytest

from merbench.report.scores.board.board_scores import facts
from merbench.report.scores.board.row_pairs import Comparison
from merbench.report.site.board_page.details import compared
from merbench.results.metrics import BUILT_IN
from merbench.testing.tiny import SENTIMENT


@pytest.mark.parametrize(
    ("metric", "mean", "sentence"),
    [
        ("mae", 0.0, "MAE equals that of ridge: paired difference +0.000,"),
        ("mae", 0.0004, "MAE is less than 0.001 worse than that of ridge:"),
        (
            "mae",
            -0.0004,
            "MAE is less than 0.001 better than that of ridge: paired difference +0.000,",
        ),
        ("mae", -0.043, "MAE is 0.043 better than that of ridge: paired difference -0.043,"),
        ("acc7", -0.0004, "Acc-7 is less than 0.1 worse than that of ridge:"),
        ("acc7", 0.052, "Acc-7 is 5.2 better than that of ridge:"),
    ],
)
def test_a_difference_of_nothing_is_neither_better_nor_worse(metric, mean, sentence):
    ends = (mean, mean - 0.01, mean + 0.01)
    test = Comparison(against="ridge", difference=ends, p=0.9, p_interval=0.9, p_adjusted=0.9)
    assert compared(test, facts(BUILT_IN.of(SENTIMENT))[metric], {}).startswith(sentence)
