"""Objective ``concordance``."""

import numpy as np
import pytest
import torch

from merbench.api import Batch, Output, Progress
from merbench.testing import tiny
from merbench_baselines.objectives.concordance import Concordance

NOW = Progress(0, 1, 0, 1, "main")


def loss(predicted, target, known=None, **settings):
    objective = Concordance(Concordance.Config(**settings), tiny.context("score"), None)
    batch = Batch(torch.arange(len(target)), {}, target, known)
    (term,) = objective(None, batch, Output(predicted[:, None]), NOW).values()
    return term


@pytest.mark.parametrize("known", [None, torch.arange(12) % 3 > 0])
def test_it_is_one_minus_the_correlation_of_the_known_rows(known):
    predicted, target = torch.randn(2, 12) * torch.tensor([[0.3], [2.0]]) + 0.5
    rows = slice(None) if known is None else known
    x, y = predicted[rows].numpy(), target[rows].numpy()
    lin = 2 * np.cov(x, y, bias=True)[0, 1] / (x.var() + y.var() + (x.mean() - y.mean()) ** 2)
    pearson = np.corrcoef(x, y)[0, 1]
    assert float(loss(predicted, target, known)) == pytest.approx(1 - lin, rel=1e-4)
    pearson_loss = loss(predicted, target, known, correlation="pearson", weight=0.5)
    assert float(pearson_loss) == pytest.approx(0.5 * (1 - pearson), rel=1e-4)


def test_scale_and_mean_count_for_concordance_alone():
    target = torch.tensor([-2.0, 0.0, 1.0, 3.0])
    assert float(loss(target, target)) == pytest.approx(0, abs=1e-6)
    assert float(loss(target / 2 + 1, target)) > 0.1
    assert float(loss(target / 2 + 1, target, correlation="pearson")) == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("correlation", ["concordance", "pearson"])
@pytest.mark.parametrize(
    "rows",
    [
        {"target": torch.tensor([1.0])},
        {"target": torch.ones(3)},
        {"target": torch.tensor([1.0, 2.0]), "known": torch.zeros(2, dtype=torch.bool)},
    ],
    ids=["one row", "equal labels", "nothing known"],
)
def test_rows_that_do_not_differ_say_nothing(rows, correlation):
    predicted = torch.ones(len(rows["target"]), requires_grad=True)
    term = loss(predicted, correlation=correlation, **rows)
    term.backward()
    assert float(term) == pytest.approx(1, abs=1e-5)
    assert predicted.grad.isfinite().all() and not predicted.grad.any()
