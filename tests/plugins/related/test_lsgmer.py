"""LSGMER's parts against loops and formulas."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from scipy.spatial.distance import jensenshannon

from merbench.api import (
    MODALITIES,
    SENTIMENT,
    LabelSpace,
    Output,
    Progress,
    Queries,
    RequestError,
    Steps,
)
from merbench.testing import tiny
from merbench_related.lsgmer.consistency import Consistency, distributions, jensen_shannon
from merbench_related.lsgmer.fusion import LabelSignal
from merbench_related.lsgmer.labels import LabelMoving
from tests.plugins.perturbed import perturbed

AT = Progress(0, 1, 0, 1, "main")


def fusion(**config) -> LabelSignal:
    torch.manual_seed(0)
    widths = dict.fromkeys(MODALITIES, 6)
    settings = LabelSignal.Config(**{"width": 8, "heads": 2, **config})
    return perturbed(LabelSignal(settings, tiny.context(), widths, 10)).eval()


def ragged() -> dict[str, Steps]:
    """Row 2 lacks audio, row 3 lacks everything."""
    lacking = {"text": [3], "audio": [2, 3], "video": [3]}
    return {
        m: tiny.steps(length=4 + i, seed=i, missing=lacking[m]) for i, m in enumerate(MODALITIES)
    }


def attend(attention, q_D, x_LD):
    """One query over the real steps of one row."""
    size = len(q_D) // attention.heads
    q, k, v = attention.query(q_D), attention.key(x_LD), attention.value(x_LD)
    heads = []
    for h in range(attention.heads):
        part = slice(h * size, (h + 1) * size)
        weight_L = (k[:, part] @ q[part] / size**0.5).softmax(0)
        heads.append(weight_L @ v[:, part])
    return attention.out(torch.cat(heads))


def test_fusion_is_the_paper_s_equations_row_by_row():
    model, parts = fusion(), ragged()
    emb_CD = torch.randn(7, 10)
    fused = model(parts, Queries(emb_CD))
    label_CD = model.label(emb_CD)
    for row in range(5):
        rows = []
        for m in MODALITIES:
            x_LD = model.project[m](parts[m].x_BLD[row][parts[m].mask_BL[row]])
            for label_D in label_CD:
                if not len(x_LD):
                    rows.append(torch.zeros(8))
                    continue
                h2_D = attend(model.attend[m], label_D, x_LD)
                rows.append(torch.sigmoid(h2_D) * x_LD.mean(0) + h2_D)
        torch.testing.assert_close(
            fused.aux["fused_vector"][row], model.fuse(torch.cat(rows)), atol=1e-5, rtol=1e-4
        )


def test_without_enhancement_the_labels_change_nothing():
    model, parts = fusion(enhance=False), ragged()
    a, b = (model(parts, Queries(torch.randn(7, 10))).z_BCD for _ in range(2))
    assert torch.equal(a, b)


def test_others_than_the_runs_own_labels_cannot_enhance():
    two = Queries(torch.randn(2, 10), space=LabelSpace("class", ("a", "b"), ("a", "b")))
    with pytest.raises(RequestError, match=r"label-signal learned weights for .* other labels"):
        fusion()(ragged(), two)
    assert fusion(enhance=False)(ragged(), two).z_BCD.shape[1] == 1


def test_label_vectors_are_the_moving_average_of_their_training():
    labels = LabelMoving(LabelMoving.Config(alpha=0.9), tiny.context())
    average_CD = labels.trained_CD.detach().clone()
    optimiser = torch.optim.SGD(labels.parameters(), lr=0.5)
    for _ in range(4):
        optimiser.zero_grad()
        labels().emb_CD.square().sum().backward()
        optimiser.step()
        expected_CD = 0.9 * average_CD + 0.1 * labels.trained_CD.detach()
        torch.testing.assert_close(labels().emb_CD.detach(), expected_CD)
        labels.move()
        average_CD = expected_CD
    assert not torch.allclose(average_CD, labels.trained_CD)


def test_another_space_keeps_the_trained_vectors_of_equal_words():
    labels = LabelMoving(LabelMoving.Config(), tiny.context("class"))
    with torch.no_grad():
        labels.trained_CD.add_(1.0)
    other = SENTIMENT
    assert labels(other).emb_CD.shape == (7, labels.width)
    turned = type(tiny.CLASSES)("class", tiny.CLASSES.words[::-1], tiny.CLASSES.glosses[::-1])
    torch.testing.assert_close(labels(turned).emb_CD, labels().emb_CD.flip(0))
    random = LabelMoving(LabelMoving.Config(start="random"), tiny.context("class"))
    with pytest.raises(RequestError, match="start=words"):
        random(other)


def test_jensen_shannon_is_scipy_s():
    p, q = torch.randn(2, 6, 5, dtype=torch.double).softmax(-1)
    q[0] = torch.tensor([0.0, 0.0, 1.0, 0.0, 0.0])
    p[0] = torch.tensor([1.0, 0.0, 0.0, 0.0, 0.0])
    expected = torch.tensor([jensenshannon(a, b) ** 2 for a, b in zip(p, q, strict=True)])
    torch.testing.assert_close(jensen_shannon(p, q), expected)


@pytest.mark.parametrize("kind", ["class", "multilabel"])
def test_a_probability_that_is_0_in_float32_has_the_gradient_of_float64(kind):
    logits = torch.tensor([[[200.0, 0.0, 1.0], [2.0, -200.0, 1.0]], [[0.5, 0.0, 200.0]] * 2])

    def gradient(dtype):
        x = logits.to(dtype, copy=True).requires_grad_()
        p, q = (distributions(y, tiny.context(kind).space) for y in x)
        assert (p == 0).any() == (dtype == torch.float32)
        jensen_shannon(p, q).sum().backward()
        return x.grad.float()

    torch.testing.assert_close(gradient(torch.float32), gradient(torch.float64))


@pytest.mark.parametrize("kind", ["score", "class", "multilabel", "joint"])
def test_consistency_is_zero_where_prediction_and_attribution_agree(kind):
    context = tiny.context(kind)
    objective = Consistency(Consistency.Config(weight=2.0, temperature=0.5), context, None)
    vector_BD, label_CD = torch.randn(5, 8), torch.randn(len(context.space.words), 8)
    aux = {"fused_vector": vector_BD, "label_vectors": label_CD}
    cosine_BC = torch.stack(
        [torch.cosine_similarity(vector_BD, label_D[None]) for label_D in label_CD], 1
    )
    agreeing, other = Output(cosine_BC / 0.5, {}, aux), Output(-cosine_BC / 0.5, {}, aux)
    assert objective(None, None, agreeing, AT)["consistency"] == pytest.approx(0.0, abs=1e-6)
    assert objective(None, None, other, AT)["consistency"] > 0.01


def test_consistency_of_a_score_by_hand():
    objective = Consistency(Consistency.Config(weight=2.0), tiny.context(), None)
    vector_BD, label_CD, logits_BC = torch.randn(3, 8), torch.randn(7, 8), torch.randn(3, 7)
    out = Output(logits_BC, {}, {"fused_vector": vector_BD, "label_vectors": label_CD})
    rows = []
    for vector_D, logits_C in zip(vector_BD, logits_BC, strict=True):
        q = torch.tensor([torch.cosine_similarity(vector_D, e, 0) for e in label_CD]).softmax(0)
        rows.append(jensenshannon(logits_C.softmax(0), q) ** 2)
    expected = 2.0 * sum(rows) / 3
    assert objective(None, None, out, AT)["consistency"] == pytest.approx(expected, rel=1e-4)


def test_a_score_without_a_logit_a_word_is_no_distribution():
    """One logit is a softmax of one: the divergence from it would say nothing."""
    objective = Consistency(Consistency.Config(), tiny.context(), None)
    aux = {"fused_vector": torch.randn(3, 8), "label_vectors": torch.randn(7, 8)}
    with pytest.raises(RequestError, match="--part head=word-mlp"):
        objective(None, None, Output(torch.randn(3, 1), {}, aux), AT)


def test_the_objective_moves_the_label_vectors_once_a_step():
    labels = LabelMoving(LabelMoving.Config(alpha=0.5), tiny.context())
    objective = Consistency(Consistency.Config(), tiny.context(), None)
    with torch.no_grad():
        labels.trained_CD.add_(1.0)
    before = labels.last_CD.clone()
    objective.after_step(SimpleNamespace(label_encoder=labels), AT)
    torch.testing.assert_close(labels.last_CD, before + 0.5)
    objective.after_step(SimpleNamespace(label_encoder=object()), AT)
