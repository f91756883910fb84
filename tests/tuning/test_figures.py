"""Importance of settings, by a method that the picture names."""

from __future__ import annotations

import importlib.util
from types import SimpleNamespace

import numpy as np
import optuna
import pytest

from merbench.tuning.figures import importance

RANGES = {name: optuna.distributions.FloatDistribution(0.0, 1.0) for name in ("lr", "width")}


@pytest.fixture
def search():
    """30 trials: above .7 lr ruins everything, below it only width counts, a little."""
    study, draw = optuna.create_study(), np.random.default_rng(0)
    for lr, width in draw.uniform(size=(30, 2)):
        value = 2.0 if lr > 0.7 else 0.5 + 0.1 * width
        study.add_trial(
            optuna.trial.create_trial(
                value=value, params={"lr": lr, "width": width}, distributions=RANGES
            )
        )
    return SimpleNamespace(study=study)


def test_a_cliff_is_seen_by_fanova(search):
    pytest.importorskip("sklearn")
    shares, method = importance(search)
    assert method == "fANOVA" and shares["lr"] > 0.8 > 0.2 > shares["width"]


def test_without_scikit_learn_the_other_method_is_named(search, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    shares, method = importance(search)
    assert method == "PED-ANOVA" and set(shares) == {"lr", "width"}
