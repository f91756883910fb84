"""Comparing what a run that was stopped between folds has left."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from merbench.api import RequestError
from merbench.cli.look.compare.two_models import _sides
from merbench.report.scores import compare


def test_a_model_without_a_whole_seed_is_named_with_what_brings_one(monkeypatch):
    sides = {"tfn": compare.Side({}), "ridge": compare.Side({0: None})}
    monkeypatch.setattr(compare, "side", lambda board, source, name: sides.get(name))
    with pytest.raises(RequestError, match="tfn has no seed finished in all 5 folds; the same"):
        _sides([SimpleNamespace(folds=5)], None, ("tfn", "ridge"))
