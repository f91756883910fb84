"""Trained models on damaged rows."""

from __future__ import annotations

import numpy as np
import pytest

from merbench.analyses.robust import CLEAN, curves, parse, robust
from merbench.analyses.trained import Trained
from merbench.api import RequestError
from merbench.engine.rows.corrupt import Damage
from merbench.runs.run import run
from tests.tiny_runs import MACHINE


@pytest.mark.parametrize(
    ("text", "cases"),
    [
        ("audio=drop", [(Damage("audio", "drop", 1),)]),
        ("text=mask:0.3", [(Damage("text", "mask", 0.3),)]),
        ("video=noise:0:2:3", [(Damage("video", "noise", s),) for s in (0, 1, 2)]),
        ("text=mask:.5, audio=drop", [(Damage("text", "mask", 0.5), Damage("audio", "drop", 1))]),
        (
            "text=mask:0:1:2,audio=drop",
            [(Damage("text", "mask", s), Damage("audio", "drop", 1)) for s in (0, 1)],
        ),
    ],
)
def test_what_is_asked_for_is_read(text, cases):
    assert parse(text) == cases


WRONG = [
    ",".join(f"{m}=noise:0:1:100" for m in ("text", "audio", "video")), "audio", "smell=drop", "audio=shout", "text=mask", "text=mask:2", "audio=drop,", *(
    f"video=noise:{strength}" for strength in ("-1", "x", "nan", "inf", "0:1", "0:1:1", "0:1:2.5", "0:1:1000")
)]  # fmt: skip


@pytest.mark.parametrize("text", WRONG)
def test_what_cannot_be_read_is_one_sentence(text):
    with pytest.raises(RequestError, match=r"^--corrupt "):
        parse(text)


def test_damage_is_done_to_test_rows_alone_and_compared_in_pairs(make, store):
    plan, corpus = make(protocol="folds")
    records = run(plan, corpus, [0, 1], store, MACHINE)
    cases = [
        case
        for text in (
            "audio=drop",
            "text=mask:0:1:3",
            "text=noise:1",
            "text=mask:1,audio=drop,video=drop",
        )
        for case in parse(text)
    ]
    lines = {line.name: line for line in robust(plan, corpus, records, store, MACHINE, cases, "m")}
    stored = np.concatenate(
        [store.predictions(r.run_id).prediction for r in records if r.seed == 0]
    )
    assert np.array_equal(lines[f"m {CLEAN}"].scored[0].rows.prediction, stored)
    assert np.array_equal(lines["m text=mask:0"].scored[0].rows.prediction, stored), (
        "nothing is taken away"
    )
    assert not np.array_equal(lines["m audio=drop"].scored[0].rows.prediction, stored)
    assert "text=noise" in lines["m text=noise:1"].reason and not lines["m text=noise:1"].scored
    empty = lines["m text=mask:1, audio=drop, video=drop"].scored[0].rows.prediction.reshape(3, -1)
    assert np.ptp(empty, axis=1).max() < 1e-6, "without any input a fold's model gives one answer"
    again = robust(plan, corpus, records, store, MACHINE, cases[1:3], "m")[2]
    assert np.array_equal(
        again.scored[1].rows.prediction, lines["m text=mask:0.5"].scored[1].rows.prediction
    )
    assert [store.get(r.run_id) for r in records] == records, "nothing is stored"


def test_rows_from_which_nothing_is_taken_score_to_the_last_digit_as_the_run_did(make, store):
    """Also where batches are of rows of like length."""
    plan, corpus = make("mult", settings={"train.by_length": True})
    records = run(plan, corpus, [0], store, MACHINE)
    case = parse("text=mask:0")
    clean, nothing = robust(plan, corpus, records, store, MACHINE, case)
    assert np.array_equal(clean.scored[0].rows.prediction, nothing.scored[0].rows.prediction)


def test_what_is_trained_again_is_scored_by_its_new_record(make, store):
    """Its weights are gone, and other code has chosen other thresholds for the earlier one."""
    plan, corpus = make(kind="multilabel", thresholds="tuned_on_valid")
    records = run(plan, corpus, [0], store, MACHINE, keep_weights=False)
    earlier = [r.model_copy(update={"thresholds": [0.99] * len(r.thresholds)}) for r in records]
    as_it_is, undamaged = robust(plan, corpus, earlier, store, MACHINE, parse("audio=drop:0"))
    assert as_it_is.scored[0].metrics == undamaged.scored[0].metrics
    assert np.array_equal(as_it_is.scored[0].cuts, undamaged.scored[0].cuts)


def test_damaged_rows_keep_their_places_in_their_videos(make, store, monkeypatch):
    """A model that reads the turns of its rows would else be scored without them, too."""
    plan, corpus = make()
    records = run(plan, corpus, [0], store, MACHINE)
    turns = []

    def predict(run, data, space):
        turns.append(data.turns)
        return predict_as_before(run, data, space)

    predict_as_before = Trained.predict
    monkeypatch.setattr(Trained, "predict", predict)
    robust(plan, corpus, records, store, MACHINE, parse("audio=drop"))
    rows = plan.protocol.splits[0].test
    assert [part.tolist() for part in turns[0]] == corpus.turns_N2[rows].T.tolist()


def test_curves_begin_with_the_rows_as_they_are(make, store):
    plan, corpus = make()
    cases = [
        case
        for text in ("audio=drop", "text=mask:0.5:1:2", "text=mask:0.7,audio=drop")
        for case in parse(text)
    ]
    lines = robust(plan, corpus, run(plan, corpus, [0, 1], store, MACHINE), store, MACHINE, cases)
    curve_of = curves(cases, lines, "mae")
    assert list(curve_of) == ["text=mask"], "one strength, or several damages at once, are no curve"
    assert [p.strength for p in curve_of["text=mask"]] == [0, 0.5, 1] and all(
        p.n == 2 for p in curve_of["text=mask"]
    )
    assert curve_of["text=mask"][0].mean == pytest.approx(
        np.mean([s.metrics["mae"] for s in lines[0].scored.values()])
    )


def test_the_picture_is_the_same_each_time():
    from merbench.report.pictures.damage_curves import curves as draw

    panels = {
        "text=mask": {
            "a": [(0.0, 1.0, 0.1, 2), (0.5, 1.2, None, 1)],
            "b": [(0.0, 1.1, 0.1, 2), (0.5, 1.3, 0.2, 2)],
        }
    }
    once = draw("title", "mae", panels)
    assert once == draw("title", "mae", panels) and b"<svg" in once and b"text=mask" in once


def test_a_model_has_one_colour_in_all_panels(monkeypatch):
    from matplotlib.axes import Axes

    from merbench.report.pictures.damage_curves import curves as draw

    colours_of: dict[str, set[str]] = {}
    plot = Axes.plot

    def spy(axes, *points, label, color, **more):
        colours_of.setdefault(label, set()).add(color)
        return plot(axes, *points, label=label, color=color, **more)

    monkeypatch.setattr(Axes, "plot", spy)
    curve = [(0.0, 1.0, 0.1, 2), (0.5, 1.2, 0.1, 2)]
    draw("title", "mae", {"text=mask": {"a": curve, "b": curve}, "audio=noise": {"b": curve}})
    assert (
        all(len(colours) == 1 for colours in colours_of.values())
        and colours_of["a"] != colours_of["b"]
    )
