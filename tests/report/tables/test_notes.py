"""How far one seed's score is known, in a sentence below a table."""

from __future__ import annotations

import numpy as np
import pytest

from merbench.api import SENTIMENT
from merbench.report.scores.rows.pooled_seeds import RowCounts, Scored, row_counts
from merbench.report.scores.statistics.means import half_width, summarise
from merbench.report.tables.board import distances, notes
from merbench.results.metrics import BUILT_IN
from merbench.results.records.predictions import Predictions
from merbench.testing.tiny import CLASSES


def test_rows_of_score_0_are_counted_and_have_no_part_in_the_width():
    y = np.array([0.0, 1.0, -2.0, 0.0, 3.0])
    rows = Predictions(list("abcde"), list("vvvww"), y, y)
    scored = Scored(rows, {}, BUILT_IN.of(SENTIMENT))
    assert row_counts({0: scored}) == RowCounts(5, 3)
    several = Predictions(list("abcde"), list("vvvww"), np.eye(5), np.eye(5))
    assert row_counts({0: Scored(several, {}, scored.task)}) == RowCounts(5, 5)


@pytest.mark.parametrize("share", [0.86, 1.0])
def test_the_sentence_names_the_rows_it_is_about(share):
    scores = {"acc2_non0": summarise([share]), "accuracy": summarise([share])}
    (of_score,) = notes("score", scores, RowCounts(686, 656))
    width = f"± {100 * half_width(share, 656):.1f} points"
    assert width in of_score and "± 0.0" not in of_score
    assert "686 test rows, 656 of them not 0: one seed's Acc-2 non0" in of_score
    (whole,) = notes("score", scores, RowCounts(686, 686))
    assert whole.startswith("686 test rows: one seed's Acc-2 non0")
    (of_class,) = notes("class", scores, RowCounts(686, 656))
    assert f"± {100 * half_width(share, 686):.1f} points" in of_class and "accuracy" in of_class


def test_distances_from_floors_have_the_unit_of_the_table():
    of_class, of_score = BUILT_IN.of(CLASSES), BUILT_IN.of(SENTIMENT)
    floors = {"low": {"accuracy": summarise([0.5])}, "high": {"accuracy": summarise([0.75])}}
    (sentence,) = distances(of_class, {"accuracy": summarise([0.621])}, floors, None)
    assert sentence.endswith(" 12.1 points better than low and 12.9 points worse than high")
    (sentence,) = distances(
        of_score, {"mae": summarise([0.9])}, {"low": {"mae": summarise([1.0])}}, None
    )
    assert sentence == "MAE 0.100 better than low"
    (sentence,) = distances(
        of_score, {"mae": summarise([1.0004])}, {"low": {"mae": summarise([1.0])}}, None
    )
    assert sentence == "MAE less than 0.001 worse than low"


def test_a_rank_by_a_metric_that_is_not_installed_is_known():
    metrics = BUILT_IN.of(SENTIMENT, "guest-ccc")
    assert (metrics.ranking, metrics.missing_rank) == ("mae", "guest-ccc")
    assert not BUILT_IN.of(SENTIMENT, "corr").missing_rank
