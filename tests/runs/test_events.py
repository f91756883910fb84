"""What watchers are told of the epochs of a run."""

from __future__ import annotations

import dataclasses

import pytest

from merbench.api import Stage
from merbench.runs.events import epoch_done, epochs_of


@pytest.mark.parametrize("stages", [("bounds", "main"), ("main", "bounds")])
def test_a_stage_within_another_has_no_epochs_of_its_own(make, stages):
    declared = {"main": Stage(), "bounds": Stage(name="bounds", within="main")}
    plan, _ = make(settings={"train.epochs": 3})
    plan = dataclasses.replace(plan, stages=tuple(declared[name] for name in stages))
    entry = {"stage": "main", "epoch": 0, "loss": {}, "mae": 1.0}
    event = epoch_done(plan, "", 0, None, entry)
    assert (event.epoch, event.epochs, epochs_of(plan)) == (1, 3, 3)
