"""Ridge on tf-idf against scikit-learn's and a loop."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from scipy import sparse
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import Ridge as SklearnRidge

from merbench.api import (
    RequestError,
    Steps,
)
from merbench.testing import tiny
from merbench_baselines.floors.floor import ridge
from merbench_baselines.floors.tfidf import TfidfRidge, descend
from tests.plugins.baselines.floors.made_splits import Same, View, predict, tokens, views, words


@pytest.mark.parametrize(
    "settings", [{}, {"sublinear": True}, {"bigrams": False}, {"min_df": 3}, {"dense": 0}], ids=str
)
def test_tfidf_ridge_is_sklearns(settings):
    train, valid = views("score", words, sizes=(60, 30))
    model = TfidfRidge(
        TfidfRidge.Config(low=0.3, high=30.0, count=3, **settings),
        tiny.context(),
        {"text": Same(1)},
    )
    model.fit(train, valid)
    vectoriser = TfidfVectorizer(
        tokenizer=lambda words: words,
        token_pattern=None,
        lowercase=False,
        ngram_range=(1, 2 if settings.get("bigrams", True) else 1),
        min_df=settings.get("min_df", 1),
        sublinear_tf=settings.get("sublinear", False),
    )
    x, v = vectoriser.fit_transform(tokens(train)), vectoriser.transform(tokens(valid))
    assert len(model.key_G) == x.shape[1]
    y = train.target.double().numpy()
    # scikit-learn numbers its columns differently, so matrices are compared by their inner
    # products.
    assert np.allclose(
        (model.matrix(valid) @ model.matrix(train).T).toarray(), (v @ x.T).toarray(), atol=1e-5
    )
    solvers = [SklearnRidge(alpha=a, fit_intercept=False, tol=1e-10) for a in (0.3, 3.0, 30.0)]
    predictions = [solver.fit(x, y - y.mean()).predict(v) + y.mean() for solver in solvers]
    best = min(predictions, key=lambda p: np.abs(p - valid.target.numpy()).mean())
    assert np.allclose(predict(model, valid).numpy(), best, atol=1e-4)


def test_runs_of_characters_are_sklearns_with_each_part_of_length_one():
    draw = np.random.default_rng(0)
    vocab = ["".join(draw.choice(list("ab"), n)) for n in draw.integers(1, 8, 12)]
    encoder = Same(1)
    encoder.vocab = vocab
    views_ = [
        View(
            {"text": words(n, n)["text"]._replace(x_BLD=words(n, n)["text"].x_BLD % 12)},
            torch.randn(n),
        )
        for n in (40, 20)
    ]
    model = TfidfRidge(TfidfRidge.Config(characters=4), tiny.context(), {"text": encoder})
    model.count(views_[0])
    texts = [[[vocab[int(w)] for w in row] for row in tokens(view)] for view in views_]
    numbers = [[[str(w) for w in row] for row in tokens(view)] for view in views_]

    def runs(row):
        return [
            m[i : i + n]
            for m in (f"<{w}>" for w in row)
            for n in (3, 4)
            for i in range(len(m) - n + 1)
        ]

    parts = []
    for documents, analyser in (
        (texts, runs),
        (numbers, lambda row: [*row, *map(" ".join, pairwise(row))]),
    ):
        vectoriser = TfidfVectorizer(analyzer=analyser)
        parts.append((vectoriser.fit_transform(documents[0]), vectoriser.transform(documents[1])))
    assert len(model.key_G) == sum(x.shape[1] for x, _ in parts)
    expected = sum((v @ x.T).toarray() for x, v in parts)
    assert np.allclose(
        (model.matrix(views_[1]) @ model.matrix(views_[0]).T).toarray(), expected, atol=1e-5
    )


@pytest.mark.parametrize("dense", [0, 3000])
def test_tfidf_ridge_that_begins_with_weights_stays_near_them(dense):
    config = TfidfRidge.Config(low=2.0, high=2.0, count=1, dense=dense)
    before, after = (TfidfRidge(config, tiny.context(), {"text": Same(1)}) for _ in range(2))
    before.fit(*views("score", words, sizes=(60, 30)))
    after.load_state_dict(before.state_dict())
    train, valid = (
        View(words(n, n + 7), torch.randn(n, generator=torch.Generator().manual_seed(n)))
        for n in (40, 20)
    )
    after.fit(train, valid)
    assert torch.equal(after.key_G, before.key_G) and torch.equal(after.idf_G, before.idf_G)
    x, start = after.matrix(train), before.weight_GC.double().numpy()[:, 0]
    left = train.target.double().numpy() - x @ start
    step = SklearnRidge(alpha=2.0, fit_intercept=False, tol=1e-10).fit(x, left - left.mean()).coef_
    assert np.allclose(after.weight_GC[:, 0], start + step, atol=1e-4)
    assert np.allclose(
        predict(after, valid), after.matrix(valid) @ (start + step) + left.mean(), atol=1e-4
    )


def test_lsmr_agrees_with_the_exact_solution():
    draw = np.random.default_rng(0)
    x_NG = sparse.random_array((50, 80), density=0.1, rng=draw, format="csr")
    y_NC, alphas = draw.normal(size=(50, 2)), np.array([0.1, 10.0, 1.0])
    dual = ridge(
        torch.from_numpy((x_NG @ x_NG.T).toarray()),
        torch.from_numpy(y_NC),
        torch.from_numpy(alphas),
    ).numpy()
    for w_GC, dual_NC in zip(descend(x_NG, y_NC, alphas), dual, strict=True):
        assert np.allclose(w_GC, x_NG.T @ dual_NC, atol=1e-4)


def test_word_pairs_do_not_cross_a_gap_and_their_order_counts():
    ids_BL, mask_BL = (
        torch.tensor([[1, 2, 3], [2, 1, 0]]),
        torch.tensor([[True, True, True], [True, False, True]]),
    )
    train = View({"text": Steps(ids_BL[..., None], mask_BL)}, torch.tensor([1.0, -1.0]))
    model = TfidfRidge(TfidfRidge.Config(), tiny.context(), {"text": Same(1)})
    model.count(train)
    pairs = {(int(k) // 2**31 - 1, int(k) % 2**31 - 1) for k in model.key_G}
    assert pairs == {(0, -1), (1, -1), (2, -1), (3, -1), (1, 2), (2, 3)}


def test_tfidf_ridge_of_no_words_says_so():
    train, valid = views("score", words)
    model = TfidfRidge(TfidfRidge.Config(min_df=100), tiny.context(), {"text": Same(1)})
    with pytest.raises(RequestError, match=r"model\.min_df"):
        model.fit(train, valid)
