"""Ridge and support vector regression against scikit-learn's and a loop."""

import sys

import numpy as np
import pytest
import torch
from sklearn.linear_model import Ridge as SklearnRidge
from sklearn.svm import SVR

from merbench.api import (
    Batch,
    RequestError,
    read_out,
    task_loss,
)
from merbench.testing import tiny
from merbench_baselines.floors.floor import goals, ridge
from merbench_baselines.floors.ridge import Ridge
from merbench_baselines.floors.svr import Svr
from tests.plugins.baselines.floors.made_splits import (
    Same,
    features,
    pooled_by_loop,
    predict,
    standardised_by_loop,
    views,
)


@pytest.mark.parametrize("size", [60, 20])  # more rows than columns, and fewer
def test_ridge_is_sklearns_with_the_penalty_that_is_best_on_valid(size):
    train, valid = views("score", features, sizes=(size, 20), missing=[1, 2])
    model = Ridge(
        Ridge.Config(low=0.1, high=1e3, count=5),
        tiny.context(),
        {"text": Same(6), "audio": Same(4)},
    )
    model.fit(train, valid)
    x, v = pooled_by_loop(train), pooled_by_loop(valid)
    mean, deviation = x.mean(0), x.std(0)
    deviation[deviation < 1e-9] = np.inf
    best = None
    for alpha in np.logspace(-1, 3, 5):
        p = (
            SklearnRidge(alpha=alpha)
            .fit((x - mean) / deviation, train.target.numpy())
            .predict((v - mean) / deviation)
        )
        error = np.abs(p - valid.target.numpy()).mean()
        best = min(best or (np.inf,), (error, alpha, p), key=lambda t: t[0])
    assert np.allclose(predict(model, valid).numpy(), best[2], atol=1e-4)


def test_ridge_on_labels_is_least_squares_on_indicators():
    for kind in ("class", "multilabel"):
        train, valid = views(kind, features)
        space = tiny.SPACES[kind]
        model = Ridge(
            Ridge.Config(low=5.0, high=5.0, count=1),
            tiny.context(kind),
            {"text": Same(6), "audio": Same(4)},
        )
        model.fit(train, valid)
        x, v = pooled_by_loop(train), pooled_by_loop(valid)
        deviation = np.where(x.std(0) < 1e-9, np.inf, x.std(0))
        y = np.eye(6)[train.target.numpy()] if kind == "class" else train.target.numpy()
        p = (
            SklearnRidge(alpha=5.0)
            .fit((x - x.mean(0)) / deviation, y)
            .predict((v - x.mean(0)) / deviation)
        )
        scales = np.logspace(-0.5, 2, 11)
        target = valid.target if kind == "class" else valid.target.double()
        losses = [
            sum(task_loss(torch.tensor((p - 0.5) * s), target, None, space).values())
            for s in scales
        ]
        want = read_out(torch.tensor((p - 0.5) * scales[int(np.argmin(losses))]), space)
        assert torch.allclose(predict(model, valid).double(), want, atol=1e-4)


def test_unobserved_cells_pull_nowhere():
    context = tiny.context("multilabel")
    rows = Batch(
        torch.arange(4),
        {},
        torch.tensor([[1.0, float("nan")], [0.0, 1.0], [1.0, 1.0], [1.0, 0.0]]),
        torch.ones(4, 2) > 0,
    )
    rows.known[0, 1] = rows.known[3, 0] = False
    assert torch.allclose(goals(rows, context.space)[:, 0], torch.tensor([1, 0, 1, 2 / 3]).double())
    assert torch.allclose(goals(rows, context.space)[:, 1], torch.tensor([2 / 3, 1, 1, 0]).double())


def test_ridge_solves_its_normal_equations_for_every_penalty():
    x_NP = torch.randn(9, 4, dtype=torch.float64)
    y_NC, alphas = (
        torch.randn(9, 2, dtype=torch.float64),
        torch.tensor([0.1, 3.0], dtype=torch.float64),
    )
    for w_PC, alpha in zip(ridge(x_NP.T @ x_NP, x_NP.T @ y_NC, alphas), alphas, strict=True):
        assert torch.allclose(
            x_NP.T @ (x_NP @ w_PC - y_NC) + alpha * w_PC,
            torch.zeros(4, 2, dtype=torch.float64),
            atol=1e-9,
        )


TEXT_COLUMNS = 3 * 6 + 1


def test_weighed_modalities_are_sklearns_ridge_on_weighed_columns():
    """The audio is noise of many columns, and the text alone has the score."""
    train, valid = views("score", features, sizes=(60, 40))
    for view in (train, valid):
        view.target = view.inputs["text"].x_BLD[:, 0, :2].sum(1)
    best = None
    for weight in (1.0, 0.0, 0.03, 0.1, 0.3, 3.0):
        x, v = standardised_by_loop(train, valid)
        x[:, TEXT_COLUMNS:] *= weight
        v[:, TEXT_COLUMNS:] *= weight
        p = SklearnRidge(alpha=2.0).fit(x, train.target.numpy()).predict(v)
        error = np.abs(p - valid.target.numpy()).mean()
        best = min(best or (np.inf,), (error, weight, p), key=lambda t: t[0])
    assert best[1] < 1
    config = Ridge.Config(low=2.0, high=2.0, count=1, weigh_modalities=True)
    model = Ridge(config, tiny.context(), {"text": Same(6), "audio": Same(4)})
    model.fit(train, valid)
    assert np.allclose(predict(model, valid).numpy(), best[2], atol=1e-4)


def svr(kind="score", **settings):
    return Svr(Svr.Config(**settings), tiny.context(kind), {"text": Same(6), "audio": Same(4)})


def test_svr_is_sklearns_with_the_penalty_that_is_best_on_valid():
    train, valid = views("score", features, sizes=(60, 40), missing=[1, 2])
    model = svr(penalties=(0.1, 1.0, 5.0), epsilon=0.2, weigh_modalities=False)
    model.fit(train, valid)
    x, v = standardised_by_loop(train, valid)
    gamma = 1 / (x.std(0) > 0).sum()
    each = [
        SVR(C=c, epsilon=0.2, gamma=gamma).fit(x, train.target.numpy()).predict(v)
        for c in (0.1, 1.0, 5.0)
    ]
    best = min(each, key=lambda p: np.abs(p - valid.target.numpy()).mean())
    assert np.allclose(predict(model, valid).numpy(), best, atol=1e-4)


def test_svr_leaves_unobserved_labels_out():
    train, valid = views("multilabel", features)
    train.known = torch.rand(40, 6, generator=torch.Generator().manual_seed(3)) < 0.7
    model = svr("multilabel", penalties=(1.0,), weigh_modalities=False)
    model.fit(train, valid)
    x, v = standardised_by_loop(train, valid)
    gamma = 1 / (x.std(0) > 0).sum()
    for c in range(6):
        known = train.known[:, c].numpy()
        p = SVR(gamma=gamma).fit(x[known], train.target.numpy()[known, c]).predict(v)
        logit = ((p - 0.5) * float(model.scale)).clip(-30, 30)
        want = torch.tensor(logit).sigmoid()
        assert torch.allclose(predict(model, valid)[:, c].double(), want, atol=1e-4)


def test_svr_without_scikit_learn_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.svm", None)
    with pytest.raises(RequestError, match=r"pip install 'merbench-baselines\[svr\]'"):
        svr().fit(*views("score", features))
