"""Members of a deep ensemble learn alone, and what is predicted is the mean of theirs."""

from __future__ import annotations

import pytest
import torch

from merbench.api import read_out
from merbench.engine.build import build
from merbench.engine.learn import learn
from merbench.engine.plan.plan import Request
from merbench.engine.resolve import resolve
from merbench.engine.rows.splits import Fold
from merbench.testing import tiny
from merbench_baselines.ensemble.declarations import MEMBERS

SMALL = {"encoder.width": 4, "model.width": 4, "model.hidden": 4, "train.epochs": 2}


def trained(catalog, kind="score", ablations=()):
    """(problem, what was learned, a batch of validation rows)."""
    request = Request("text-ensemble", settings=SMALL, ablations=ablations)
    plan = resolve(request, catalog, tiny.corpus(kind), tiny.lexicon())
    fold = Fold(plan.streams, plan.task, plan.protocol.splits[0], plan.lexicon)
    problem = build(plan, fold, 0, torch.device("cpu"))
    fitted = learn(plan, problem, fold, 0)
    problem.model.eval()
    return problem, fitted, next(iter(problem.valid.batches(64)))


@pytest.mark.parametrize("kind", ["score", "class", "multilabel", "joint"])
def test_the_prediction_is_the_mean_of_what_members_predict(catalog, kind):
    problem, _, batch = trained(catalog, kind)
    model = problem.model
    with torch.no_grad():
        predicted = model.read_out(model(batch))
        own = [read_out(model.readers[k](model._encoded(k, batch)), model.space) for k in range(5)]
    assert torch.allclose(predicted, sum(own) / 5, atol=1e-6)
    assert all(not torch.allclose(own[0], other) for other in own[1:])


def test_members_learn_in_turn_from_orders_of_their_own(catalog):
    problem, fitted, _ = trained(catalog)
    assert [entry["stage"] for entry in fitted.history] == [
        f"member-{k + 1}" for k in range(MEMBERS) for _ in range(SMALL["train.epochs"])
    ]
    assert problem.model.begun_K.all()


def test_a_member_does_not_depend_on_those_after_it(catalog):
    ensemble, _, batch = trained(catalog)
    alone, fitted, _ = trained(catalog, ablations=("one-member",))
    assert len(fitted.history) == SMALL["train.epochs"]
    with torch.no_grad():
        first = ensemble.model.readers[0](ensemble.model._encoded(0, batch))
        predicted = alone.model.read_out(alone.model(batch))
    assert torch.equal(first[:, 0], predicted)
