"""Metrics over the rates at which test rows lack modalities, against the damage done by hand."""

from __future__ import annotations

import numpy as np
import pytest

from merbench.analyses.missing_rates import area, over_rates, panels
from merbench.analyses.robust import Point, parse, robust
from merbench.runs.run import run
from tests.tiny_runs import MACHINE


def test_every_metric_has_a_curve_for_each_modality_and_for_all(make, store):
    plan, corpus = make()
    records = run(plan, corpus, [0, 1], store, MACHINE)
    rates = (0.0, 0.5, 0.9)
    curves = over_rates(plan, corpus, records, store, MACHINE, name="m", rates=rates)
    assert {c.metric for c in curves} == set(plan.metrics.headline)
    of_mae = {c.missing: c for c in curves if c.metric == "mae"}
    assert list(of_mae) == ["text", "audio", "video", "any"]

    audio = of_mae["audio"]
    assert tuple(p.strength for p in audio.points) == rates
    harmed = robust(plan, corpus, records, store, MACHINE, parse("audio=drop:0.5"))
    for line, point in zip(harmed, audio.points[:2], strict=True):
        values = [scored.metrics["mae"] for scored in line.scored.values()]
        assert point.mean == pytest.approx(np.mean(values))
        assert point.sd == pytest.approx(np.std(values, ddof=1)) and point.n == 2

    a, b, c = (p.mean for p in of_mae["text"].points)
    assert of_mae["text"].area == pytest.approx(((a + b) / 2 * 0.5 + (b + c) / 2 * 0.4) / 0.9)
    single = [of_mae[m].area for m in ("text", "audio", "video")]
    assert of_mae["any"].spread == pytest.approx(max(single) - min(single))
    assert of_mae["text"].spread is None
    assert set(panels(curves, "mae", "drop")) == {f"{m}=drop" for m in of_mae}


def test_a_model_that_reads_nothing_has_no_curve(make, store):
    plan, corpus = make("majority", settings={})
    assert over_rates(plan, corpus, run(plan, corpus, [0], store, MACHINE), store, MACHINE) == []


def test_a_constant_curve_has_its_value_as_area():
    assert area([Point(0.1, 2.0, None, 1), Point(0.4, 2.0, None, 1)]) == pytest.approx(2.0)
