"""Dropout in training: how much it drops, and that it is torch's everywhere else."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.checkpoint import checkpoint

from merbench.engine.training import dropout
from merbench.engine.training.dropout import quick_dropout

CPU = torch.device("cpu")
TORCHS = F.dropout, F.scaled_dot_product_attention


@pytest.mark.parametrize("p", [1e-6, 0.001, 0.1, 0.5, 0.9, 0.9999])
def test_each_element_is_dropped_with_that_probability_by_itself(p):
    torch.manual_seed(0)
    x = torch.ones(1001, 401)
    with quick_dropout(CPU):
        out = F.dropout(x, p)
    dropped = out == 0
    assert out[~dropped].unique().item() == pytest.approx(
        1 / (1 - p), rel=0.1 if p > 0.999 else 1e-4
    )
    places = dropped.flatten()
    for apart in range(4):
        share = places[apart::4].double().mean().item()
        assert share == pytest.approx(p, abs=5 * math.sqrt(p / 1e5))
    # Next to a dropped element the others are dropped as often.
    for apart in range(1, 9):
        both = (places[apart:] & places[:-apart]).double().mean().item()
        assert both == pytest.approx(p * p, abs=5 * math.sqrt(p * p / 4e5))


def test_the_gradient_passes_where_the_element_was_kept_also_when_computed_again():
    x = torch.rand(50, 7, requires_grad=True)
    with quick_dropout(CPU):
        out = checkpoint(nn.Dropout(0.4), x, use_reentrant=False)
        out.sum().backward()
    assert 0 < (out == 0).sum() < out.numel()
    torch.testing.assert_close(x.grad, (out / x).detach())


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
def test_an_input_keeps_its_type_and_empty_ones_pass(dtype):
    with quick_dropout(CPU):
        assert F.dropout(torch.rand(3, 5, dtype=dtype), 0.5).dtype == dtype
        assert F.dropout(torch.rand(0, 5, dtype=dtype), 0.5).shape == (0, 5)


def test_nothing_is_dropped_in_evaluation_and_everything_at_one():
    x = torch.rand(4, 4)
    with quick_dropout(CPU):
        assert F.dropout(x, 0.5, training=False) is x
        assert nn.Dropout(0.5).eval()(x) is x
        assert torch.equal(F.dropout(x, 0.0), x)
        assert torch.equal(F.dropout(x, 1.0), torch.zeros(4, 4))
        again = x.clone()
        assert F.dropout(again, 0.5, inplace=True) is again and not torch.equal(again, x)
        with pytest.raises(ValueError, match="between 0 and 1"):
            F.dropout(x, 1.5)


def test_equal_seeds_draw_equal_masks_and_later_calls_others():
    with quick_dropout(CPU):
        draws = []
        for _ in range(2):
            torch.manual_seed(3)
            draws.append([F.dropout(torch.ones(99), 0.5) for _ in range(2)])
    (a, later), (b, _) = draws
    assert torch.equal(a, b) and not torch.equal(a, later)


def test_under_vmap_each_row_has_a_mask_of_its_own():
    with quick_dropout(CPU):
        out = torch.func.vmap(lambda x: F.dropout(x, 0.5), randomness="different")(
            torch.ones(2, 64)
        )
    assert not torch.equal(*out)


@pytest.mark.parametrize("scale", [None, 0.2])
@pytest.mark.parametrize("kind", ["bool", "added"])
def test_attention_with_dropout_is_in_expectation_what_it_is_without(kind, scale):
    torch.manual_seed(0)
    q, k, v = (torch.randn(1, 2, 5, 4) for _ in range(3))
    mask = torch.tensor([True, True, False, True, False])[None, None, None]
    mask = mask & torch.ones(5, 1, dtype=torch.bool)
    mask[..., 2, :] = False
    if kind == "added":
        mask = torch.where(mask, torch.randn(5, 5), -math.inf)
    how = {"attn_mask": mask, "scale": scale}
    expected = F.scaled_dot_product_attention(q, k, v, **how)
    many = [x.expand(4000, -1, -1, -1) for x in (q, k, v)]
    with quick_dropout(CPU):
        out = F.scaled_dot_product_attention(*many, **how, dropout_p=0.3)
        same = F.scaled_dot_product_attention(q, k, v, **how)
    assert torch.equal(same, expected)
    assert (out[:, :, 2] == 0).all()
    assert out.std(0)[:, [0, 1, 3, 4]].min() > 0.01
    torch.testing.assert_close(out.mean(0, keepdim=True), expected, atol=0.1, rtol=0)


def test_what_plain_attention_cannot_do_is_left_to_torch():
    q, k, v = torch.randn(1, 4, 5, 4), torch.randn(1, 2, 5, 4), torch.randn(1, 2, 5, 4)
    with quick_dropout(CPU):
        out = F.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=True)
        F.scaled_dot_product_attention(q, q, q, dropout_p=0.5, is_causal=True)
    expected = F.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=True)
    torch.testing.assert_close(out, expected)


def test_torchs_own_is_back_after_the_block_and_stays_where_there_is_a_gpu():
    with pytest.raises(KeyError), quick_dropout(CPU):
        assert (F.dropout, F.scaled_dot_product_attention) != TORCHS
        raise KeyError
    assert (F.dropout, F.scaled_dot_product_attention) == TORCHS
    with quick_dropout(torch.device("cuda")):
        assert (F.dropout, F.scaled_dot_product_attention) == TORCHS


def test_a_block_within_a_block_gives_the_outer_one_back():
    with dropout.dropping(dropout._quick):
        outer = F.scaled_dot_product_attention
        with dropout.dropping(dropout._torch_dropout, all_attention=True):
            pass
        assert F.scaled_dot_product_attention is outer
