"""A request with its plan, for all tests of searches."""

from __future__ import annotations

import pytest

from merbench.engine.plan.plan import Request
from merbench.engine.resolve import resolve
from merbench.testing import tiny
from tests.tiny_runs import in_folds

QUICK = {"train.epochs": 2, "train.batch_size": 8}


@pytest.fixture
def ask(catalog):
    """A request with its plan on the tiny corpus."""

    def ask(model="late-fusion-dnn", kind="score", **request):
        request = Request(model, **{"settings": QUICK, **request})
        return request, resolve(request, catalog, in_folds(tiny.corpus(kind)), None)

    return ask
