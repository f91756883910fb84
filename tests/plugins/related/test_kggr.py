"""KGGR's parts against counts, loops and formulas."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from merbench.api import (
    MODALITIES,
    Fused,
    LabelCounts,
    LabelSpace,
    Output,
    Queries,
    RequestError,
    Steps,
    Task,
)
from merbench.data.labels.counts import label_counts
from merbench.testing import tiny
from merbench_related.kggr import graphs
from merbench_related.kggr.classifier_l2 import ClassifierPenalty
from merbench_related.kggr.fusion import KGGR, SemanticAttention
from merbench_related.kggr.graph_propagation import GatedPropagation
from merbench_related.kggr.head import GraphClassifier
from merbench_related.kggr.labels import LabelGraph
from tests.plugins.perturbed import perturbed

SPACE = LabelSpace("multilabel", ("happy", "sad", "anger"), ("a", "b", "c"))


def counts_of(target: np.ndarray, known: np.ndarray | None = None) -> LabelCounts:
    return label_counts(Task(SPACE, target, known), np.arange(len(target)))


def test_edges_are_conditional_frequencies_over_known_cells():
    rng = np.random.default_rng(0)
    target, known = (rng.random((40, 3)) < 0.5).astype(np.float32), rng.random((40, 3)) < 0.6
    p_CC = graphs.conditional(counts_of(target, known))
    for i in range(3):
        for j in range(3):
            rows = [r for r in range(40) if known[r, i] and known[r, j] and target[r, i]]
            want = 1.0 if i == j else np.mean([target[r, j] for r in rows])
            assert np.isclose(p_CC[i, j], want)
    full = graphs.conditional(counts_of(target))
    assert not np.allclose(full, full.T)


def test_a_label_without_a_positive_has_no_edges():
    target = np.array([[1, 1, 0], [1, 0, 0]], dtype=np.float32)
    assert np.array_equal(
        graphs.conditional(counts_of(target)), [[1, 0.5, 0], [1, 1, 0], [0, 0, 1]]
    )
    few = graphs.conditional(counts_of(target), min_count=2)
    assert np.array_equal(few, [[1, 0.5, 0], [0, 1, 0], [0, 0, 1]])


def test_the_other_graphs():
    near = graphs.ordinal(np.array([-1.0, 0.0, 2.0]), 2.0)
    assert np.isclose(near[0, 2], np.exp(-1.5)) and (np.diag(near) == 1).all()
    vectors = np.array([[1.0, 1, 0], [1, 0.9, 0.1], [-1, 1, 1]])
    like = graphs.semantic(vectors)
    centred = vectors - vectors.mean(0)
    cosine = centred[0] @ centred[1] / np.linalg.norm(centred[0]) / np.linalg.norm(centred[1])
    assert np.isclose(like[0, 1], max(cosine, 0)) and like[0, 2] == 0
    assert np.allclose(graphs.normalised(near, "row").sum(1), 1)
    sym = graphs.normalised(near, "sym")
    assert np.allclose(sym, sym.T)
    degree = near.sum(1)
    assert np.isclose(sym[0, 1], near[0, 1] / np.sqrt(degree[0] * degree[1]))


def test_propagation_is_the_gated_unit_node_by_node():
    torch.manual_seed(0)
    module, h_CD, p_CC = perturbed(GatedPropagation(4, 2)), torch.randn(3, 4), torch.rand(3, 3)
    wz, wr, wn = module.from_messages.weight.chunk(3)
    bz, br, bn = module.from_messages.bias.chunk(3)
    uz, ur = module.from_gates.weight.chunk(2)
    u = module.from_reset.weight
    want = h_CD.clone()
    for _ in range(2):
        rows = []
        for c in range(3):
            towards = sum(p_CC[c, j] * want[j] for j in range(3))
            from_others = sum(p_CC[j, c] * want[j] for j in range(3))
            a = torch.cat((towards, from_others))
            z = (wz @ a + bz + uz @ want[c]).sigmoid()
            r = (wr @ a + br + ur @ want[c]).sigmoid()
            new = (wn @ a + bn + u @ (r * want[c])).tanh()
            rows.append((1 - z) * want[c] + z * new)
        want = torch.stack(rows)
    assert torch.allclose(module(h_CD, p_CC), want, atol=1e-6)
    batch = torch.stack((h_CD, 2 * h_CD))
    assert torch.allclose(module(batch, p_CC)[0], want, atol=1e-6)
    assert GatedPropagation(4, 0)(h_CD, p_CC) is h_CD


def test_labels_that_read_the_same_have_nothing_to_tell_each_other():
    """P f and P^T f are f times the row and column sums of P where f is the same for all labels:
    which edges there are no longer matters. So labels must attend to different steps first.
    """
    torch.manual_seed(0)
    module, order = GatedPropagation(4, 3), torch.tensor([1, 2, 0])
    graph_CC = torch.tensor([[0.6, 0.3, 0.1], [0.1, 0.6, 0.3], [0.3, 0.1, 0.6]])  # sums of 1
    moved_CC = graph_CC[:, order]
    same_CD, own_CD = torch.randn(1, 4).expand(3, 4), torch.randn(3, 4)
    assert torch.allclose(module(same_CD, graph_CC), module(same_CD, moved_CC), atol=1e-6)
    assert not torch.allclose(module(own_CD, graph_CC), module(own_CD, moved_CC), atol=1e-2)


def test_semantic_attention_with_the_paper_s_two_maps():
    """softmax_n w_a^T (W3 tanh(W1 f * W2 w) + b3) + b_a, with w = W3^T w_a."""
    torch.manual_seed(0)
    module, steps = SemanticAttention(6, 10, 5), tiny.steps(missing=[2])
    emb_CD = torch.randn(3, 10)
    w3, b3, w_a = torch.randn(7, 5), torch.randn(7), torch.randn(7)
    module.score.weight.data = (w3.T @ w_a)[None]
    f_BCD, alpha_BCL = module(steps, emb_CD)
    for row in (0, 1, 3, 4):
        x_LD = steps.x_BLD[row][steps.mask_BL[row]]
        for c in range(3):
            energy = []
            for x_D in x_LD:
                product = (module.of_step.weight @ x_D) * (
                    module.of_label.weight @ emb_CD[c] * 10**0.5
                )
                energy.append(w_a @ (w3 @ product.tanh() + b3) + 0.7)
            alpha = torch.stack(energy).softmax(0)
            assert torch.allclose(alpha_BCL[row, c][steps.mask_BL[row]], alpha, atol=1e-5)
            assert torch.allclose(f_BCD[row, c], alpha @ x_LD, atol=1e-5)
    assert (alpha_BCL[~steps.mask_BL[:, None].expand_as(alpha_BCL)] == 0).all()
    assert (f_BCD[2] == 0).all()
    assert torch.allclose(alpha_BCL.sum(-1)[[0, 1, 3, 4]], torch.ones(4, 3))


def kggr(**config) -> KGGR:
    torch.manual_seed(0)
    widths = dict.fromkeys(MODALITIES, 6)
    settings = KGGR.Config(**{"width": 8, "inner": 8, **config})
    return perturbed(KGGR(settings, tiny.context(), widths, 10)).eval()


def test_labels_are_equivariant_and_share_all_of_the_fusion():
    model, parts = kggr(), tiny.parts()
    emb_CD, graph_CC = torch.randn(4, 10), torch.rand(4, 4)
    order = torch.tensor([2, 0, 3, 1])
    z = model(parts, Queries(emb_CD, graph_CC)).z_BCD
    permuted = model(parts, Queries(emb_CD[order], graph_CC[order][:, order])).z_BCD
    assert torch.allclose(z[:, order], permuted, atol=1e-5)


def test_without_steps_or_without_a_graph_there_is_no_exchange():
    parts, emb_CD, graph_CC = tiny.parts(), torch.randn(4, 10), torch.rand(4, 4)
    model = kggr()
    assert torch.equal(model(parts, Queries(emb_CD)).z_BCD, self_read(model, parts, emb_CD))
    still = kggr(steps=0)
    assert torch.equal(
        still(parts, Queries(emb_CD, graph_CC)).z_BCD, still(parts, Queries(emb_CD)).z_BCD
    )
    assert not torch.allclose(
        model(parts, Queries(emb_CD, graph_CC)).z_BCD, model(parts, Queries(emb_CD)).z_BCD
    )


def self_read(model, parts, emb_CD):
    """tanh(Wo [f ; f])."""
    projected = [
        Steps(model.project[m](s.x_BLD) + model.modality[m], s.mask_BL) for m, s in parts.items()
    ]
    steps = Steps(
        torch.cat([s.x_BLD for s in projected], 1), torch.cat([s.mask_BL for s in projected], 1)
    )
    f_BCD, _ = model.attention(steps, emb_CD)
    return model.read_out(torch.cat((f_BCD, f_BCD), -1)).tanh()


def test_classifier_weights_are_propagated():
    torch.manual_seed(0)
    context = tiny.context("multilabel")
    head = perturbed(GraphClassifier(GraphClassifier.Config(), context, 5, 10))
    for parameter in head.propagate.parameters():
        torch.nn.init.normal_(parameter)
    queries = Queries(torch.randn(6, 10), torch.rand(6, 6))
    z_BCD = torch.randn(2, 6, 5)
    h_CD = head.propagate(head.weight_CD, queries.graph_CC)
    logits, aux = head(Fused(z_BCD), queries)
    for b in range(2):
        for c in range(6):
            w = head.weight_CD[c] + head.out.weight @ torch.cat((h_CD[c], head.weight_CD[c]))
            assert torch.isclose(logits[b, c], w @ z_BCD[b, c] + head.bias_C[c], atol=1e-5)
    rows = [
        head.weight_CD[c] + head.out.weight @ torch.cat((h_CD[c], head.weight_CD[c]))
        for c in range(6)
    ]
    penalty = ClassifierPenalty(ClassifierPenalty.Config(weight=0.1), context, None)
    term = penalty(None, None, Output(logits, aux=aux), None)["l2"]
    assert torch.isclose(term, 0.1 * sum((row @ row for row in rows), torch.zeros(())))
    plain = (z_BCD * head.weight_CD).sum(-1) + head.bias_C
    assert torch.allclose(head(Fused(z_BCD), Queries(queries.emb_CD))[0], plain)
    with pytest.raises(RequestError, match="cannot read other labels"):
        other = replace(tiny.EMOTIONS, words=("fury", *tiny.EMOTIONS.words[1:]))
        head(Fused(z_BCD), queries._replace(space=other))


def label_graph(kind: str = "multilabel", counts=None, **config) -> LabelGraph:
    context = tiny.context(kind)
    if counts is not None:
        context = replace(context, counts=counts)
    return LabelGraph(LabelGraph.Config(**config), context)


def test_which_graph_a_space_has():
    count = len(tiny.EMOTIONS.words)
    together = np.random.default_rng(0).integers(0, 5, (count, count)).astype(float)
    counts = LabelCounts(np.full(count, 99.0), np.full(count, 10.0), together)
    graph = label_graph(counts=counts)().graph_CC.numpy()
    off = ~np.eye(count, dtype=bool)
    assert np.allclose(graph[off], together[off] / 10) and (np.diag(graph) == 1).all()
    assert np.allclose(label_graph("score")().graph_CC[0, 3], np.exp(-3))
    words = label_graph("class")
    assert np.allclose(words().graph_CC, graphs.semantic(words().emb_CD.numpy()), atol=1e-6)
    unread = label_graph("class", vectors="learned")()
    assert torch.equal(unread.graph_CC, torch.full((6, 6), 1 / 6))
    assert torch.equal(label_graph(graph="identity")().graph_CC, torch.eye(6))
    assert torch.equal(label_graph(graph="uniform")().graph_CC, torch.full((6, 6), 1 / 6))
    with pytest.raises(RequestError, match="anchors"):
        label_graph("class", graph="ordinal")


def test_shuffled_labels_take_vector_and_place_of_another():
    together = np.random.default_rng(0).integers(0, 5, (6, 6)).astype(float)
    counts = LabelCounts(np.full(6, 99.0), np.full(6, 10.0), together)
    plain, shuffled = label_graph(counts=counts)(), label_graph(counts=counts, shuffle=True)()
    near = torch.cdist(shuffled.emb_CD, plain.emb_CD)
    order = near.argmin(1)
    assert near.amin(1).max() < 1e-6 and not (order == torch.arange(6)).any()
    assert torch.equal(shuffled.graph_CC, plain.graph_CC[order][:, order])


def test_other_labels():
    own_graph = label_graph()
    other = own_graph(tiny.SPACES["score"])
    assert torch.allclose(other.graph_CC[0, 1], torch.tensor(np.exp(-1.0)).float())
    with pytest.raises(RequestError, match="cannot read other labels"):
        label_graph(vectors="learned")(tiny.SPACES["score"])
    with pytest.raises(RequestError, match="word vectors"):
        LabelGraph(LabelGraph.Config(), replace(tiny.context(), lexicon=None))


def test_matched_by_words_a_label_reads_the_steps_near_its_own_vector():
    torch.manual_seed(0)
    config = KGGR.Config(width=8, match="words", steps=0, temperature=0.2)
    model = KGGR(config, tiny.context("multilabel", ("text",)), {"text": 5}, 5).eval()
    emb_CD = torch.randn(6, 5)
    parts = {"text": tiny.steps(4, 6, 5, missing=[2])}
    fused = model(parts, Queries(emb_CD))
    x_BLD, mask_BL = parts["text"]
    projected_BLD = model.project["text"](x_BLD) + model.modality["text"]
    for row in (0, 1, 3):
        real = mask_BL[row].nonzero()[:, 0].tolist()
        for c in range(6):
            centred = emb_CD[c] - emb_CD.mean(0)
            near = torch.stack([torch.cosine_similarity(x_BLD[row, i], centred, 0) for i in real])
            share = (near / 0.2).softmax(0)
            torch.testing.assert_close(fused.aux["attention"][row, c, real], share)
            f = sum(s * projected_BLD[row, i] for s, i in zip(share, real, strict=True))
            expected = model.read_out(torch.cat((f, f))).tanh()
            torch.testing.assert_close(fused.z_BCD[row, c], expected, atol=1e-5, rtol=1e-4)
    assert (fused.aux["attention"][2] == 0).all()
    with pytest.raises(RequestError, match="those of audio are 4"):
        KGGR(config, tiny.context("multilabel"), {"text": 5, "audio": 4}, 5)
