"""SCPNet's parts against loops and formulas."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import cosine_similarity, leaky_relu

from merbench.api import (
    Batch,
    Fused,
    LabelCounts,
    LabelSpace,
    Output,
    Progress,
    Queries,
    RequestError,
)
from merbench.testing import tiny
from merbench_related.scpnet import consistency, prior
from merbench_related.scpnet.consistency import PriorSSL, thresholds
from merbench_related.scpnet.head import CosineLabel
from merbench_related.scpnet.labels import StructuredPrior
from merbench_related.scpnet.splc import SPLC
from tests.plugins.perturbed import perturbed

AT = Progress(0, 1, 0, 1, "main")
LATER = Progress(5, 10, 0, 1, "main")


def vectors(count: int = 6, common: float = 3.0) -> np.ndarray:
    """Like label texts: a large common part."""
    return np.random.default_rng(0).normal(size=(count, 8)) + common


def test_adjacency_and_calibration_row_by_row():
    affinity = prior.contrasted(vectors(), "none", 0.05)
    a = prior.adjacency(affinity, neighbours=2, share=0.2)
    r = prior.calibration(a, temperature=0.3)
    for i in range(6):
        others = sorted((j for j in range(6) if j != i), key=lambda j: -affinity[i, j])[:2]
        total = sum(affinity[i, j] for j in others)
        for j in range(6):
            want = 0.8 if i == j else 0.2 * affinity[i, j] / total if j in others else 0.0
            assert np.isclose(a[i, j], want)
        edges = [i, *others]
        weight = {j: np.exp(a[i, j] / 0.3) for j in edges}
        for j in range(6):
            assert np.isclose(r[i, j], weight.get(j, 0.0) / sum(weight.values()))
    assert np.allclose(a.sum(1), 1) and np.allclose(r.sum(1), 1)


def test_a_label_without_neighbours_keeps_to_itself():
    a = prior.adjacency(np.eye(3), neighbours=2, share=0.2)
    assert np.array_equal(a, np.eye(3)) and np.array_equal(prior.calibration(a, 0.3), np.eye(3))


def test_the_published_prior_is_flat_and_contrast_is_not():
    """Off-diagonal shares: near uniform from raw cosines (the fault of the public recipe)."""

    def spread(contrast: str) -> float:
        a = prior.adjacency(prior.contrasted(vectors(), contrast, 0.05), 99, 0.2)
        off = a[~np.eye(6, dtype=bool)].reshape(6, 5)
        return float((off / off.sum(1, keepdims=True)).std(1).mean())

    assert spread("none") < 0.02 < 0.1 < spread("centre") and spread("softmax") > 0.05


def label_encoder(kind: str = "multilabel", counts=None, **config) -> StructuredPrior:
    torch.manual_seed(0)
    context = tiny.context(kind)
    if counts is not None:
        context = replace(context, counts=counts)
    return perturbed(StructuredPrior(StructuredPrior.Config(**{"width": 4, **config}), context))


def test_label_vectors_are_the_residual_graph_network():
    encoder = label_encoder()
    queries = encoder()
    words_CD = encoder.base_CD * 12**0.5 + encoder.offset_D
    a_CC, start = encoder.graph_CC, encoder.project(words_CD)
    gc1, gc2, gc3 = (layer.weight.T for layer in encoder.layers)
    hidden = leaky_relu(a_CC @ start @ gc1, 0.2)
    hidden = leaky_relu(a_CC @ hidden @ gc2, 0.2)
    assert torch.allclose(queries.emb_CD, start + a_CC @ hidden @ gc3, atol=1e-5)
    plain = label_encoder(propagate=False)
    assert torch.allclose(plain().emb_CD, plain.project(plain.base_CD * 12**0.5 + plain.offset_D))


def test_the_control_on_the_identity_graph_is_the_same_network(catalog):
    ablations = {a.name: a.settings for a in catalog.recipe("scpnet").ablations}
    settings = ablations["identity-graph"]
    config = {name.removeprefix("label_encoder."): value for name, value in settings.items()}
    full, control = label_encoder(), label_encoder(**config)
    shapes = [{n: p.shape for n, p in e.named_parameters()} for e in (full, control)]
    assert shapes[0] == shapes[1]
    queries = control()
    assert torch.equal(queries.graph_CC, torch.eye(6))
    assert torch.equal(queries.extras["calibration"], torch.eye(6))


def test_where_the_prior_comes_from():
    score = label_encoder("score")()
    near = np.exp(-np.abs(np.subtract.outer(np.arange(-3.0, 4), np.arange(-3.0, 4))))
    assert np.allclose(score.graph_CC, prior.adjacency(near, 2, 0.2), atol=1e-6)
    together = np.random.default_rng(0).integers(0, 9, (6, 6)).astype(float)
    counts = LabelCounts(np.full(6, 50.0), np.full(6, 10.0), together)
    mixed = label_encoder(counts=counts, cooccurrence=1.0)()
    assert np.allclose(mixed.graph_CC, prior.adjacency(together / 10, 2, 0.2), atol=1e-6)
    some = label_encoder(counts=counts, cooccurrence=0.25)
    words_CD = some.base_CD.numpy()
    affinity = prior.contrasted(words_CD, some.config.contrast, some.config.sharpness)
    expected = prior.adjacency(0.75 * affinity + 0.25 * together / 10, 2, 0.2)
    assert np.allclose(some.graph_CC, expected, atol=1e-6)
    with pytest.raises(RequestError, match="occur together"):
        label_encoder("class", cooccurrence=0.5)


def test_shuffled_labels_take_vector_and_neighbours_of_another():
    plain, shuffled = label_encoder(), label_encoder(shuffle=True)
    order = torch.tensor(shuffled.order)
    assert not (order == torch.arange(6)).any()
    assert torch.equal(shuffled.base_CD, plain.base_CD[order])
    assert torch.allclose(shuffled.graph_CC, plain.graph_CC[order][:, order])
    assert torch.allclose(shuffled().emb_CD, plain().emb_CD[order], atol=1e-5)


def test_head_is_a_scaled_cosine_with_a_bias():
    torch.manual_seed(0)
    head = CosineLabel(CosineLabel.Config(scale=5.0), tiny.context("multilabel"), 3, 4)
    nn.init.normal_(head.bias_C)
    z, emb = torch.randn(2, 1, 3), torch.randn(6, 4)
    logits = head(Fused(z), Queries(emb))
    for b in range(2):
        for c in range(6):
            near = cosine_similarity(head.project(z[b, 0]), emb[c], dim=0)
            assert torch.isclose(logits[b, c], 5 * near + head.bias_C[c], atol=1e-5)


def test_the_bias_belongs_to_the_runs_own_words_in_whatever_order():
    own, order = tiny.EMOTIONS, [3, 0, 5, 1, 4, 2]
    head = CosineLabel(CosineLabel.Config(), tiny.context("multilabel"), 3, 4)
    without = CosineLabel(CosineLabel.Config(bias=False), tiny.context("multilabel"), 3, 4)
    nn.init.normal_(head.bias_C)
    without.project = head.project
    z, emb = torch.randn(2, 1, 3), torch.randn(6, 4)

    def bias(words):
        space = LabelSpace("multilabel", words, words)
        queries = Queries(emb[: len(words)], space=space)
        return (head(Fused(z), queries) - without(Fused(z), queries))[0]

    close = partial(torch.testing.assert_close, atol=1e-5, rtol=0)
    close(bias(own.words), head.bias_C)
    close(bias(tuple(own.words[c] for c in order)), head.bias_C[order])
    for others in (("fury", *own.words[1:]), own.words[:5], own.words[:3]):
        close(bias(others), torch.zeros(len(others)))


def splc(known_negatives: bool = True, **config) -> SPLC:
    context = tiny.context("multilabel")
    positive = np.full(6, 10.0)
    known = positive + 20 * known_negatives
    counts = LabelCounts(known, positive, np.zeros((6, 6)))
    return SPLC(SPLC.Config(**config), replace(context, counts=counts), None)


@pytest.mark.parametrize("negatives", [True, False])
@pytest.mark.parametrize("at", [AT, LATER])
def test_splc_cell_by_cell(negatives, at):
    torch.manual_seed(0)
    logits, target = torch.randn(4, 6) * 2, (torch.rand(4, 6) < 0.4).float()
    known = torch.rand(4, 6) < 0.5
    target = target * known
    objective = splc(negatives)
    term = objective(None, Batch(torch.arange(4), {}, target, known), Output(logits), at)["splc"]
    total = 0.0
    for b in range(4):
        for c in range(6):
            x = logits[b, c]
            flips = at is LATER and not known[b, c] and x.sigmoid() > 0.6
            if (known[b, c] and target[b, c]) or flips:
                p = (x - 1).sigmoid()
                total += -((1 - p) ** 2) * p.log()
            elif known[b, c] or not negatives:
                p = x.sigmoid()
                total += -(p**2) * (1 - p).log()
    assert torch.isclose(term, total / 4, atol=1e-5)


@pytest.mark.parametrize("known_negatives", [True, False])
def test_whether_unknown_cells_count_is_as_told_whatever_train_knows(known_negatives):
    batch = Batch(torch.arange(4), {}, torch.zeros(4, 6), torch.zeros(4, 6, dtype=torch.bool))
    for unknown, counts in (("ignore", False), ("negative", True)):
        objective = splc(known_negatives, unknown=unknown)
        assert (objective(None, batch, Output(torch.ones(4, 6)), AT)["splc"] > 0) == counts


def test_a_row_may_have_one_pseudo_label_more_than_rows_of_train_have_labels():
    """Of 30 rows that are known each label is positive in 10: two labels a row."""
    counts = LabelCounts(np.full(6, 30.0), np.full(6, 10.0), np.zeros((6, 6)))
    context = replace(tiny.context("multilabel"), counts=counts)
    assert PriorSSL(PriorSSL.Config(), context, None).top == 3
    assert PriorSSL(PriorSSL.Config(top=5), context, None).top == 5
    assert PriorSSL(PriorSSL.Config(top=9), context, None).top == 6


@pytest.mark.parametrize("gamma", [0.0, 0.5, 1.0, 2.0])
def test_splc_of_labels_beyond_doubt_has_a_finite_gradient(gamma):
    logits = torch.tensor([[-200.0, -30.0, 30.0, 200.0, 0.0, 1.0]], requires_grad=True)
    target = torch.tensor([[0.0, 0, 1, 1, 0, 1]])
    splc(gamma=gamma)(None, Batch(torch.arange(1), {}, target), Output(logits), AT)[
        "splc"
    ].backward()
    assert logits.grad.isfinite().all()
    assert logits.grad[0, :4].abs().max() < 1e-6 < logits.grad[0, 4:].abs().min()


def test_splc_of_full_labels_and_of_other_tasks():
    logits, target = torch.randn(4, 6), (torch.rand(4, 6) < 0.4).float()
    plain = splc(gamma=0.0, margin=0.0)(
        None, Batch(torch.arange(4), {}, target), Output(logits), LATER
    )["splc"]
    want = nn.functional.binary_cross_entropy_with_logits(logits, target, reduction="sum") / 4
    assert torch.isclose(plain, want, atol=1e-5)
    context = tiny.context("class")
    batch = tiny.batch(context, {}, 4)
    (name,) = SPLC(SPLC.Config(), context, None)(None, batch, Output(logits), AT)
    assert name == "ce"


def test_thresholds_fall_for_labels_that_are_seldom_learned():
    selected = torch.zeros(20, 3, dtype=torch.bool)
    assert torch.allclose(thresholds(selected, 2, 0.95), torch.tensor(0.95 * (1 / 3) / (5 / 3)))
    selected[:16, 0] = selected[:8, 1] = True
    theta = thresholds(selected, 2, 0.95)
    # max(16, 2 * 20 - 24) = 16: a = 1, 1/2 and the floor 1/3.
    assert torch.allclose(theta, 0.95 * torch.tensor([1.0, 0.5 / 1.5, (1 / 3) / (5 / 3)]))


class Fixed(nn.Module):
    """Logits of a row by its id, the same for every view: a loss can be computed by hand."""

    def __init__(self, table: torch.Tensor) -> None:
        super().__init__()
        self.table = nn.Parameter(table)

    def forward(self, batch):
        return Output(self.table[batch.ids_B])


def ssl(kind: str, **config):
    return PriorSSL(PriorSSL.Config(**config), tiny.context(kind), None)


@pytest.mark.parametrize("negatives", ["below", "all"])
def test_pseudo_labels_and_distillation_of_labels(negatives):
    torch.manual_seed(0)
    model = Fixed(torch.randn(8, 6) * 3)
    objective = ssl("multilabel", top=2, negatives=negatives, consistency=1.0, distillation=1.0)
    objective.selected_NC[:5, 0] = True
    calibration = torch.rand(6, 6).softmax(1)
    batch = tiny.batch(tiny.context("multilabel"), {}, 8)
    known = torch.rand(8, 6) < 0.4
    batch = Batch(batch.ids_B, {}, batch.target * known, known)
    out = Output(
        model.table, queries=Queries(torch.zeros(6, 1), None, {"calibration": calibration})
    )
    terms = objective(model, batch, out, AT)

    theta = thresholds(objective.selected_NC, 2, 0.95)
    p = model.table.detach().sigmoid()
    s = model.table.sigmoid()
    consistency = distillation = 0.0
    for b in range(8):
        top = p[b].argsort(descending=True)[:2].tolist()
        sure = [c for c in top if p[b, c] >= theta[c]]
        if not sure:
            continue
        for c in range(6):
            y = batch.target[b, c] if known[b, c] else float(c in sure)
            if y or known[b, c] or negatives == "all" or p[b, c] < 1 - theta[c]:
                consistency += -(y * s[b, c].log() + (1 - y) * (1 - s[b, c]).log())
            q = sum(calibration[c, j] * p[b, j] for j in range(6))
            distillation += -(q * s[b, c].log() + (1 - q) * (1 - s[b, c]).log())
    assert torch.isclose(terms["consistency"], consistency / 8, atol=1e-4)
    assert torch.isclose(terms["distillation"], distillation / 8, atol=1e-4)

    objective.after_batch(model, batch, out, AT)
    for b in range(8):
        top = p[b].argsort(descending=True)[:2].tolist()
        assert objective.selected_NC[b].nonzero()[:, 0].tolist() == sorted(
            c for c in top if p[b, c] >= 0.95
        )


@pytest.mark.parametrize("kind", ["class", "score"])
def test_pseudo_labels_of_classes_and_anchors(kind):
    torch.manual_seed(0)
    context = tiny.context(kind)
    labels = len(context.space.words)
    model = Fixed(torch.randn(8, labels) * 2)
    objective = ssl(kind, consistency=1.0, distillation=1.0)
    calibration = torch.rand(labels, labels).softmax(1)
    batch = tiny.batch(context, {}, 8)
    known = torch.arange(8) % 2 == 0
    batch = Batch(batch.ids_B, {}, batch.target, known)
    queries = Queries(torch.zeros(labels, 1), None, {"calibration": calibration})
    terms = objective(model, batch, Output(model.table, queries=queries), AT)
    p, log_s = model.table.detach().softmax(1), model.table.log_softmax(1)
    theta = thresholds(objective.selected_NC, 1, 0.95)
    consistency = distillation = 0.0
    for b in range(8):
        best = int(p[b].argmax())
        if p[b, best] < theta[best]:
            continue
        y = torch.zeros(labels)
        if not known[b]:
            y[best] = 1
        elif kind == "class":
            y[batch.target[b]] = 1
        else:
            low = int(batch.target[b].floor().clamp(-3, 2)) + 3
            y[low + 1] = batch.target[b] - (low - 3)
            y[low] = 1 - y[low + 1]
        consistency += -(y * log_s[b]).sum()
        q = calibration @ p[b]
        q = q / q.sum()
        distillation += (q * (q.log() - log_s[b])).sum()
    assert torch.isclose(terms["consistency"], consistency / 8, atol=1e-4)
    assert torch.isclose(terms["distillation"], distillation / 8, atol=1e-4)


def test_no_gradient_comes_from_the_weak_view():
    """With R = 1 and every label counted, d/dx of BCE(x, sigmoid(x)) is 0 if the target is fixed."""
    model = Fixed(torch.full((8, 6), 4.0))
    objective = ssl("multilabel", top=6, consistency=0.0, distillation=1.0)
    queries = Queries(torch.zeros(6, 1), None, {"calibration": torch.eye(6)})
    batch = tiny.batch(tiny.context("multilabel"), {}, 8)
    objective(model, batch, Output(model.table, queries=queries), AT)["distillation"].backward()
    assert model.table.grad.abs().max() < 1e-6


def test_the_weak_view_teaches_and_the_strong_one_learns(monkeypatch):
    tables = {"WEAK": torch.randn(8, 6) * 3, "STRONG": torch.randn(8, 6, requires_grad=True)}
    for name in tables:
        monkeypatch.setattr(consistency, name, lambda inputs, name=name: name)
    objective = ssl("multilabel", top=6, consistency=0.0, distillation=1.0)
    queries = Queries(torch.zeros(6, 1), None, {"calibration": torch.eye(6)})
    batch = tiny.batch(tiny.context("multilabel"), {}, 8)
    out = Output(torch.zeros(8, 6), queries=queries)
    terms = objective(lambda view: Output(tables[view.inputs]), batch, out, AT)
    q, s = tables["WEAK"].sigmoid(), tables["STRONG"].sigmoid()
    theta = thresholds(objective.selected_NC, 6, 0.95)
    cells = -(q * s.log() + (1 - q) * (1 - s).log())
    sure = (q >= theta).any(1)
    assert torch.isclose(terms["distillation"], cells[sure].sum() / 8, atol=1e-4)


def test_what_prior_ssl_refuses():
    with pytest.raises(RequestError, match="one task at a time"):
        ssl("joint")
    batch = tiny.batch(tiny.context("score"), {}, 8)
    with pytest.raises(RequestError, match="one number"):
        ssl("score")(None, batch, Output(torch.zeros(8, 1)), AT)
