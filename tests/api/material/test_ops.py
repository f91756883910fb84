"""Masked pooling, anchors and the task's own loss, against loops and torch's own functions."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from merbench.api import (
    LabelSpace,
    Steps,
    attendable,
    compact,
    gather,
    last_step,
    masked_max,
    masked_mean,
    masked_softmax,
    read_out,
    reverse_gradient,
    soft_targets,
    task_loss,
)
from merbench.testing import tiny


def test_masked_pooling_equals_a_loop_and_is_zero_where_nothing_is():
    x_BLD, mask_BL = tiny.steps(6, 5, 3, missing=[4])
    for pool, of in (
        (masked_mean, lambda v: v.mean(0)),
        (masked_max, lambda v: v.max(0).values),
        (last_step, lambda v: v[-1]),
    ):
        pooled = pool(x_BLD, mask_BL)
        for b in range(6):
            real = x_BLD[b, mask_BL[b]]
            assert torch.allclose(pooled[b], of(real) if len(real) else torch.zeros(3))


def test_the_last_step_of_a_sequence_with_gaps():
    mask_BL = torch.tensor([[True, False, True, False]])
    assert last_step(torch.arange(4.0).reshape(1, 4, 1), mask_BL).item() == 2


@pytest.mark.parametrize("dim", [1, 2, -1])
def test_a_masked_softmax_is_one_over_what_there_is(dim):
    score, mask_BL = torch.randn(3, 4, 5), tiny.steps(3, 4, missing=[1]).mask_BL
    weight = masked_softmax(score, mask_BL[..., None], dim)
    for line, kept, weights in zip(
        score.movedim(dim, -1).flatten(0, 1),
        mask_BL[..., None].expand_as(score).movedim(dim, -1).flatten(0, 1),
        weight.movedim(dim, -1).flatten(0, 1),
        strict=True,
    ):
        torch.testing.assert_close(weights[kept], line[kept].softmax(0))
        assert not weights[~kept].any()


def test_attention_over_what_is_attendable_is_never_nan():
    x_BLD, mask_BL = tiny.steps(4, 5, 6, missing=[2])
    attend = nn.MultiheadAttention(6, 2, batch_first=True)
    hidden_BL = ~attendable(mask_BL)
    assert torch.equal(hidden_BL[[0, 1, 3]], ~mask_BL[[0, 1, 3]]) and not hidden_BL[2].any()
    spoiled, _ = attend(x_BLD, x_BLD, x_BLD, key_padding_mask=~mask_BL)
    heard, _ = attend(x_BLD, x_BLD, x_BLD, key_padding_mask=hidden_BL)
    assert spoiled[2].isnan().all() and heard.isfinite().all()


def test_a_reversed_gradient_has_the_other_sign_and_its_strength():
    x = torch.randn(3, requires_grad=True)
    assert torch.equal(reverse_gradient(x), x)
    for strength in (1.0, 0.5):
        (back,) = torch.autograd.grad((reverse_gradient(x, strength) * torch.arange(3.0)).sum(), x)
        assert torch.equal(back, -strength * torch.arange(3.0))


def test_padding_with_nan_does_not_reach_the_mean():
    x_BLD, mask_BL = tiny.steps(3, 4, 2)
    spoiled = torch.where(mask_BL[..., None], x_BLD, torch.nan)
    assert torch.equal(masked_mean(x_BLD, mask_BL), masked_mean(spoiled, mask_BL))


def test_soft_targets_interpolate_between_neighbouring_anchors():
    anchors_C = torch.tensor(tiny.SPACES["score"].anchors)
    y_B = torch.tensor([-3.0, -3.5, 0.25, 1.0, 2.999, 3.0, 7.0])
    soft_BC = soft_targets(y_B, anchors_C)
    assert torch.allclose(soft_BC.sum(1), torch.ones(7))
    assert ((soft_BC > 0).sum(1) <= 2).all()
    assert torch.allclose(soft_BC @ anchors_C, y_B.clamp(-3, 3), atol=1e-6)


def test_uneven_anchors():
    anchors_C = torch.tensor([-3.0, 0.0, 1.0])
    assert torch.allclose(
        soft_targets(torch.tensor([-1.0]), anchors_C), torch.tensor([[1 / 3, 2 / 3, 0.0]])
    )


def test_read_out_of_each_kind():
    score = tiny.SPACES["score"]
    logits_BC = torch.randn(4, 7)
    by_hand = (
        np.exp(logits_BC.numpy()) / np.exp(logits_BC.numpy()).sum(1, keepdims=True)
    ) @ np.array(score.anchors)
    np.testing.assert_allclose(read_out(logits_BC, score).numpy(), by_hand, rtol=1e-5)
    assert torch.equal(read_out(logits_BC[:, :1], score), logits_BC[:, 0])
    assert torch.allclose(read_out(logits_BC[:, :6], tiny.CLASSES).sum(1), torch.ones(4))
    assert torch.equal(read_out(logits_BC[:, :6], tiny.EMOTIONS), logits_BC[:, :6].sigmoid())


def test_the_tasks_own_losses():
    score, logits_BC = tiny.SPACES["score"], torch.randn(5, 7)
    y_B = tiny.targets(score, 5)
    terms = task_loss(logits_BC, y_B, None, score, soft_weight=0.5)
    log_p = logits_BC.log_softmax(1)
    assert terms["l1"].item() == pytest.approx(
        (read_out(logits_BC, score) - y_B).abs().mean().item()
    )
    soft = -(soft_targets(y_B, torch.tensor(score.anchors)) * log_p).sum(1).mean().item()
    assert terms["soft_ce"].item() == pytest.approx(0.5 * soft, rel=1e-5)
    assert set(task_loss(logits_BC[:, :1], y_B, None, score)) == {"l1"}

    emotions_BC, target_BC = logits_BC[:, :6], tiny.targets(tiny.EMOTIONS, 5)
    known_BC = torch.rand(5, 6, generator=torch.Generator().manual_seed(0)) < 0.5
    cells = F.binary_cross_entropy_with_logits(emotions_BC, target_BC, reduction="none")
    assert task_loss(emotions_BC, target_BC, known_BC, tiny.EMOTIONS)[
        "bce"
    ].item() == pytest.approx(cells[known_BC].mean().item())
    classes = tiny.targets(tiny.CLASSES, 5)
    assert torch.equal(
        task_loss(emotions_BC, classes, None, tiny.CLASSES)["ce"],
        F.cross_entropy(emotions_BC, classes),
    )


JOINT, SENTIMENT, EMOTIONS = tiny.JOINT, tiny.SPACES["score"], tiny.EMOTIONS


def both_known(size: int) -> torch.Tensor:
    """Of seven columns: some rows lack the score, others the labels, one all, and one cell is
    missing.
    """
    known_BC = torch.ones(size, 7, dtype=torch.bool)
    known_BC[::3, 0] = known_BC[1::4, 1:] = known_BC[2] = known_BC[4, 3] = False
    return known_BC


@pytest.mark.parametrize("anchored", [True, False])
def test_the_loss_of_two_tasks_is_that_of_each_alone_on_the_rows_that_know_it(anchored):
    torch.manual_seed(0)
    score_BC, labels_BC = (
        torch.randn(12, 7 if anchored else 1, requires_grad=True),
        torch.randn(12, 6, requires_grad=True),
    )
    logits_BC, target_BC, known_BC = (
        torch.cat([score_BC, labels_BC], 1),
        tiny.targets(JOINT, 12),
        both_known(12),
    )
    weight_C = torch.rand(13)
    terms = task_loss(logits_BC, target_BC, known_BC, JOINT, 0.5, weight_C)
    rows = known_BC[:, 0]
    alone = task_loss(score_BC[rows], target_BC[rows, 0], None, SENTIMENT, 0.5)
    alone |= task_loss(
        labels_BC, target_BC[:, 1:], known_BC[:, 1:], EMOTIONS, pos_weight_C=weight_C[7:]
    )
    assert terms.keys() == alone.keys() == ({"l1", "soft_ce", "bce"} if anchored else {"l1", "bce"})
    assert all(terms[name].item() == pytest.approx(alone[name].item(), rel=1e-6) for name in terms)
    found, wanted = (
        torch.autograd.grad(sum(t.values()), (score_BC, labels_BC), retain_graph=True)
        for t in (terms, alone)
    )
    assert all(torch.allclose(a, b, atol=1e-7) for a, b in zip(found, wanted, strict=True))
    everything = task_loss(logits_BC, target_BC, None, JOINT)
    every = task_loss(score_BC, target_BC[:, 0], None, SENTIMENT) | task_loss(
        labels_BC, target_BC[:, 1:], None, EMOTIONS
    )
    assert everything == every


def test_a_batch_that_knows_only_one_task_has_a_loss_of_0_for_the_other():
    logits_BC, target_BC = torch.randn(4, 13, requires_grad=True), tiny.targets(JOINT, 4)
    known_BC = torch.zeros(4, 7, dtype=torch.bool)
    known_BC[:, 1:] = True
    terms = task_loss(logits_BC, target_BC, known_BC, JOINT)
    assert terms["l1"] == terms["soft_ce"] == 0 < terms["bce"]
    sum(terms.values()).backward()
    assert (
        logits_BC.grad.isfinite().all()
        and not logits_BC.grad[:, :7].any()
        and logits_BC.grad[:, 7:].all()
    )


def test_the_order_of_the_labels_changes_nothing_but_the_order_of_what_is_read_out():
    order = [3, 0, 5, 1, 4, 2]
    words, glosses = (
        tuple(given[i] for i in order) for given in (EMOTIONS.words, EMOTIONS.glosses)
    )
    other = LabelSpace.joint(SENTIMENT, LabelSpace("multilabel", words, glosses))
    logits_BC, target_BC, known_BC = torch.randn(9, 13), tiny.targets(JOINT, 9), both_known(9)
    columns = [0, *(1 + i for i in order)]
    logits = [*range(7), *(7 + i for i in order)]
    terms = task_loss(logits_BC[:, logits], target_BC[:, columns], known_BC[:, columns], other)
    for name, term in task_loss(logits_BC, target_BC, known_BC, JOINT).items():
        assert terms[name].item() == pytest.approx(term.item(), rel=1e-6)
    assert torch.equal(
        read_out(logits_BC[:, logits], other), read_out(logits_BC, JOINT)[:, columns]
    )


def test_two_tasks_are_read_out_as_each_alone():
    logits_BC = torch.randn(5, 13)
    p_BC = read_out(logits_BC, JOINT)
    assert torch.equal(p_BC[:, 0], read_out(logits_BC[:, :7], SENTIMENT)) and torch.equal(
        p_BC[:, 1:], logits_BC[:, 7:].sigmoid()
    )
    assert torch.equal(read_out(logits_BC[:, 6:], JOINT)[:, 0], logits_BC[:, 6])
    assert JOINT.logit_count == 7 and JOINT.words == SENTIMENT.words + EMOTIONS.words


def test_gather_equals_a_loop_for_ragged_rows():
    values = torch.randn(9, 2)
    start_N, length_N = torch.tensor([0, 2, 2, 7]), torch.tensor([2, 0, 5, 2])
    x_BLD, mask_BL = gather(values, start_N, length_N, torch.tensor([2, 1, 3]))
    assert x_BLD.shape == (3, 5, 2) and mask_BL.sum(1).tolist() == [5, 0, 2]
    assert torch.equal(x_BLD[0], values[2:7]) and torch.equal(x_BLD[2, :2], values[7:9])


def test_label_spaces_are_checked():
    with pytest.raises(ValueError, match="one gloss a word"):
        LabelSpace(kind="class", words=("a", "b"), glosses=("a",))
    with pytest.raises(ValueError, match="ascending"):
        LabelSpace(kind="score", words=("a", "b"), glosses=("a", "b"), anchors=(1.0, 0.0))
    with pytest.raises(ValueError, match="no other"):
        LabelSpace(kind="class", words=("a",), glosses=("a",), anchors=(1.0,))
    for score, labels in ((EMOTIONS, SENTIMENT), (SENTIMENT, tiny.CLASSES), (SENTIMENT, SENTIMENT)):
        with pytest.raises(ValueError, match="two parts, a score and a multilabel"):
            LabelSpace.joint(score, labels)
    with pytest.raises(ValueError, match="no other space has parts"):
        LabelSpace("class", ("a",), ("a",), parts=(SENTIMENT, EMOTIONS))


def test_compact_keeps_word_numbers():
    for mask in ([True, False], [False, True]):
        moved = compact(Steps(torch.tensor([[[3], [4]]]), torch.tensor([mask])))
        assert moved.x_BLD.dtype == torch.long and moved.x_BLD[0, 0, 0] in (3, 4)


def test_compact_moves_real_steps_to_the_front():
    x_BLD = torch.arange(4.0)[None, :, None]
    moved = compact(Steps(x_BLD, torch.tensor([[False, True, False, True]])))
    assert moved.x_BLD[0, :, 0].tolist() == [1, 3, 0, 0] and moved.mask_BL[0].tolist() == [
        True,
        True,
        False,
        False,
    ]
