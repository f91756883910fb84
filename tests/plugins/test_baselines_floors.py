"""The floors against scikit-learn, numpy and their formulas."""

import sys
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch
from scipy import sparse
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import Ridge as SklearnRidge
from sklearn.svm import SVR

from merbench.api import (
    Batch,
    Lexicon,
    RequestError,
    Steps,
    Vectors,
    label_texts,
    read_out,
    task_loss,
)
from merbench.testing import tiny
from merbench_baselines.floors.floor import goals, ridge
from merbench_baselines.floors.majority import Majority
from merbench_baselines.floors.ridge import Ridge
from merbench_baselines.floors.svr import Svr
from merbench_baselines.floors.tfidf import TfidfRidge, descend
from merbench_baselines.floors.zero_shot import TEMPERATURES, ZeroShot


class Same(torch.nn.Module):
    """An encoder that returns what it is given."""

    frozen = True

    def __init__(self, width):
        super().__init__()
        self.width = width

    def forward(self, inputs):
        return inputs


class Embed(Same):
    """Word numbers -> their vectors."""

    def __init__(self, table_VD):
        super().__init__(table_VD.shape[1])
        self.table_VD = table_VD

    def forward(self, inputs):
        return Steps(self.table_VD[inputs.x_BLD[..., 0]], inputs.mask_BL)


class View:
    """A split of given inputs and targets."""

    def __init__(self, inputs, target, known=None, size=7):
        self.inputs, self.target, self.known, self.size = inputs, target, known, size

    def __len__(self):
        return len(self.target)

    def batches(self, size=256):
        for rows in torch.arange(len(self)).split(self.size):
            inputs = {m: Steps(s.x_BLD[rows], s.mask_BL[rows]) for m, s in self.inputs.items()}
            yield Batch(
                rows, inputs, self.target[rows], None if self.known is None else self.known[rows]
            )


def features(size, seed, missing=()):
    return {
        "text": tiny.steps(size, 5, 6, seed=seed),
        "audio": tiny.steps(size, 3, 4, seed=seed + 50, missing=missing),
    }


def words(size, seed, longest=8):
    draw = torch.Generator().manual_seed(seed)
    mask_BL = torch.arange(longest) < torch.randint(0, longest + 1, (size, 1), generator=draw)
    return {
        "text": Steps(torch.randint(len(tiny.VOCAB), (size, longest, 1), generator=draw), mask_BL)
    }


def views(kind, make, sizes=(40, 20), **more):
    space = tiny.SPACES[kind]
    return [View(make(n, i, **more), tiny.targets(space, n, seed=i)) for i, n in enumerate(sizes)]


def predict(model, view):
    with torch.no_grad():
        return torch.cat([read_out(model(b).logits_BC, model.space) for b in view.batches()])


def floors(kind):
    """Each floor, unfitted, with its train and valid views."""
    context = tiny.context(kind)
    table_VD = torch.from_numpy(context.lexicon.table(tiny.VOCAB)[0])
    pooled, text = {"text": Same(6), "audio": Same(4)}, {"text": Same(1)}
    return {
        "majority": (
            lambda: Majority(Majority.Config(), context, {}),
            *views(kind, lambda n, i: {}),
        ),
        "ridge": (
            lambda: Ridge(Ridge.Config(), context, pooled),
            *views(kind, features, missing=[1, 2]),
        ),
        "svr": (
            lambda: Svr(Svr.Config(penalties=(1.0,), weigh_modalities=False), context, pooled),
            *views(kind, features, missing=[1, 2]),
        ),
        "tfidf-ridge": (
            lambda: TfidfRidge(TfidfRidge.Config(), context, text),
            *views(kind, words),
        ),
        "zero-shot": (
            lambda: ZeroShot(ZeroShot.Config(text="gloss"), context, {"text": Embed(table_VD)}),
            *views(kind, words),
        ),
    }


NAMES = ("majority", "ridge", "svr", "tfidf-ridge", "zero-shot")


@pytest.mark.parametrize("kind", tiny.SPACES)
@pytest.mark.parametrize("name", NAMES)
def test_state_round_trips_into_an_unfitted_floor(name, kind):
    make, train, valid = floors(kind)[name]
    fitted, fresh = make(), make()
    fitted.fit(train, valid)
    fresh.load_state_dict(fitted.state_dict())
    want = predict(fitted, valid)
    assert want.isfinite().all() and want.dtype == torch.float32
    assert want.shape == {"score": (20,), "joint": (20, 7)}.get(kind, (20, 6))
    assert torch.equal(predict(fresh, valid), want)
    assert not list(fitted.parameters())


@pytest.mark.parametrize("kind", tiny.SPACES)
@pytest.mark.parametrize("name", NAMES)
def test_padding_missing_rows_and_order(name, kind):
    make, train, valid = floors(kind)[name]
    model = make()
    model.fit(train, valid)
    base = predict(model, valid)

    def again(change):
        return predict(model, View({m: change(s) for m, s in valid.inputs.items()}, valid.target))

    other = 7 if name in ("tfidf-ridge", "zero-shot") else float("nan")
    garbage = again(lambda s: Steps(torch.where(s.mask_BL[..., None], s.x_BLD, other), s.mask_BL))
    longer = again(lambda s: Steps(*(torch.cat((t, torch.zeros_like(t[:, :3])), 1) for t in s)))
    assert torch.allclose(garbage, base, atol=1e-5) and torch.allclose(longer, base, atol=1e-5)
    order = torch.randperm(20, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(
        again(lambda s: Steps(s.x_BLD[order], s.mask_BL[order])), base[order], atol=1e-5
    )
    assert again(lambda s: Steps(s.x_BLD, torch.zeros_like(s.mask_BL))).isfinite().all()


# majority


def test_majority_of_a_score_is_the_train_median():
    make, _, valid = floors("score")["majority"]
    target = torch.tensor([-1.0, 0.2, 3.0, 0.4])
    model = make()
    model.fit(View({}, target), valid)
    assert torch.allclose(predict(model, valid), torch.full((20,), 0.3))


def test_majority_of_labels_is_their_share():
    make, train, valid = floors("class")["majority"]
    model = make()
    model.fit(train, valid)
    share_C = torch.bincount(train.target, minlength=6) / 40
    assert torch.allclose(predict(model, valid), share_C.expand(20, -1), atol=1e-5)

    make, train, valid = floors("multilabel")["majority"]
    train.known = torch.rand(40, 6, generator=torch.Generator().manual_seed(3)) < 0.7
    train.target[:, 0] = 0
    model = make()
    model.fit(train, valid)
    share_C = torch.stack([train.target[train.known[:, c], c].mean() for c in range(6)])
    assert torch.allclose(predict(model, valid)[0, 1:], share_C[1:], atol=1e-5)
    assert torch.allclose(predict(model, valid)[0, 0], torch.tensor(0.5 / 40), atol=1e-6)


# ridge


def pooled_by_loop(view):
    rows = []
    for i in range(len(view)):
        row = []
        for steps in view.inputs.values():
            x_LD = steps.x_BLD[i][steps.mask_BL[i]].numpy()
            zero = np.zeros(steps.x_BLD.shape[2])
            row += (
                [x_LD.mean(0), x_LD.max(0), x_LD.min(0), [0.0]]
                if len(x_LD)
                else [zero, zero, zero, [1.0]]
            )
        rows.append(np.concatenate(row))
    return np.array(rows, dtype=np.float64)


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


def standardised_by_loop(train, valid):
    x, v = pooled_by_loop(train), pooled_by_loop(valid)
    deviation = np.where(x.std(0) < 1e-9, np.inf, x.std(0))
    return (x - x.mean(0)) / deviation, (v - x.mean(0)) / deviation


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


# svr


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


# tf-idf


def tokens(view):
    return [
        [str(w) for w in s[m].tolist()]
        for s, m in zip(view.inputs["text"].x_BLD[..., 0], view.inputs["text"].mask_BL, strict=True)
    ]


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
    made = [solver.fit(x, y - y.mean()).predict(v) + y.mean() for solver in solvers]
    best = min(made, key=lambda p: np.abs(p - valid.target.numpy()).mean())
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


# zero-shot


@pytest.mark.parametrize("kind", tiny.SPACES)
@pytest.mark.parametrize("form", ["word", "gloss"])
def test_zero_shot_is_softmax_of_cosines(kind, form):
    context = tiny.context(kind)
    table = context.lexicon.table(tiny.VOCAB)[0]
    train, valid = views(kind, words)
    model = ZeroShot(ZeroShot.Config(text=form), context, {"text": Embed(torch.from_numpy(table))})
    model.fit(train, valid)
    label = context.lexicon.phrases(label_texts(context.space, form))[0]
    label /= np.linalg.norm(label, axis=1, keepdims=True)
    means = np.array(
        [table[[int(t) for t in row]].mean(0) if row else np.zeros(12) for row in tokens(valid)]
    )
    cosine = means @ label.T / np.maximum(np.linalg.norm(means, axis=1, keepdims=True), 1e-12)

    def predicted(temperature):
        made = []
        for space, near in zip(
            context.space.tasks, context.space.split_logits(cosine), strict=True
        ):
            p = np.exp(near / temperature)
            p /= p.sum(1, keepdims=True)
            made.append(p @ np.array(space.anchors) if space.kind == "score" else p)
        return made[0] if len(made) == 1 else np.column_stack(made)

    got = predict(model, valid).numpy()
    assert np.allclose(got, predicted(float(model.temperature)), atol=1e-4)
    if kind == "score":
        errors = [np.abs(predicted(t) - valid.target.numpy()).mean() for t in TEMPERATURES.tolist()]
        assert np.abs(got - valid.target.numpy()).mean() == pytest.approx(min(errors), abs=1e-5)
        empty = [i for i, row in enumerate(tokens(valid)) if not row]
        assert empty and np.allclose(got[empty], 0, atol=1e-6)  # as near to every anchor


def test_zero_shot_needs_vectors_that_know_the_labels():
    context = tiny.context()
    with pytest.raises(RequestError, match="vectors"):
        ZeroShot(ZeroShot.Config(), replace(context, lexicon=None), {"text": Same(12)})
    with pytest.raises(RequestError, match="width"):
        ZeroShot(ZeroShot.Config(), context, {"text": Same(3)})
    few = Lexicon((Vectors("few", ("positive", "negative"), np.eye(2, 12, dtype=np.float32)),))
    with pytest.raises(RequestError, match="neutral"):
        ZeroShot(ZeroShot.Config(), replace(context, lexicon=few), {"text": Same(12)})
