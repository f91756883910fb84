"""Reading a trained model out with other labels."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import mean_absolute_error

from merbench.analyses.generalise import OWN, generalise, why_not
from merbench.api import LabelSpace
from merbench.data.labels.sets import LabelSet
from merbench.runs.run import run
from merbench.testing.tiny import EMOTIONS
from tests.tiny_runs import MACHINE

TWO = LabelSet("two", LabelSpace("score", ("negative", "positive"), ("bad", "good"), (-2.0, 2.0)))
UNKNOWN = LabelSet(
    "unknown", LabelSpace("score", ("xyzzy", "positive"), ("x", "good"), (-2.0, 2.0))
)


@pytest.mark.parametrize("by_length", [False, True])
def test_the_own_labels_give_the_stored_predictions_and_others_stay_between_their_values(
    make, store, by_length
):
    plan, corpus = make("merclip", protocol="folds", settings={"train.by_length": by_length})
    records = run(plan, corpus, [0, 1], store, MACHINE)
    report = generalise(plan, corpus, records, store, MACHINE, [TWO, UNKNOWN], "merclip")
    assert report.drift == 0
    own, two, unknown = report.test
    assert (
        own.name == f"merclip {OWN}"
        and two.against == own.name
        and "xyzzy" in unknown.reason
        and not unknown.scored
    )
    for seed in (0, 1):
        stored = np.concatenate(
            [store.predictions(r.run_id).prediction for r in records if r.seed == seed]
        )
        assert np.array_equal(own.scored[seed].rows.prediction, stored)
        rows = two.scored[seed].rows
        assert np.abs(rows.prediction).max() <= 2 and np.ptp(rows.prediction) > 0
        assert two.scored[seed].metrics["mae"] == pytest.approx(
            mean_absolute_error(rows.target, rows.prediction)
        )
    for record in records:
        assert store.get(record.run_id) == record, "nothing is trained or stored"
    assert [line.name for line in report.valid] == ["merclip " + OWN, "merclip two"]
    (mean,) = {np.mean([r.metrics.valid["mae"] for r in records if r.seed == 0])}
    assert report.valid[0].scored[0].metrics["mae"] == pytest.approx(mean, abs=1e-6), (
        "folds of equal size"
    )


def test_the_order_of_the_labels_does_not_matter(make, store):
    """In reverse order the same words give the same probabilities, each in its place."""
    plan, corpus = make("merclip", kind="multilabel")
    records = run(plan, corpus, [0], store, MACHINE)
    words, glosses = EMOTIONS.words[::-1], EMOTIONS.glosses[::-1]
    turned = LabelSet(
        "turned", LabelSpace("multilabel", words, glosses), tuple(range(len(words)))[::-1]
    )
    test = generalise(plan, corpus, records, store, MACHINE, [turned], "merclip").test
    own, other = (line.scored[0].rows.prediction for line in test)
    assert np.allclose(own, other, atol=1e-6) and np.ptp(own, axis=1).min() > 0


def test_weights_that_are_gone_are_trained_again(make, store):
    plan, corpus = make("merclip")
    records = run(plan, corpus, [0], store, MACHINE, keep_weights=False)
    assert generalise(plan, corpus, records, store, MACHINE, [TWO], "merclip").drift == 0


@pytest.mark.parametrize(
    ("model", "ablations", "reason"),
    [
        ("merclip", ("no-label-encoder",), "no label encoder"),
        ("merclip", ("no-label-guided-prediction",), "head linear"),
        ("tfn", (), "no label encoder"),
        ("ridge", (), "whole model"),
        ("merclip", ("label-random",), ""),
    ],
)
def test_who_can_is_told_from_the_parts(make, model, ablations, reason):
    plan, _ = make(model, ablations=ablations, settings={})
    assert (reason in why_not(plan)) if reason else not why_not(plan)


def test_a_label_encoder_that_reads_no_words_says_so(make, store):
    plan, corpus = make("merclip", settings={"label_encoder": "label-table"})
    own, two = generalise(
        plan, corpus, run(plan, corpus, [0], store, MACHINE), store, MACHINE, [TWO], "merclip"
    ).test
    assert own.scored and "cannot read other labels" in two.reason
