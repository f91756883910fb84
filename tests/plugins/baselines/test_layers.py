"""What several methods share."""

from __future__ import annotations

import torch

from merbench_baselines.layers import masked_softmax


def test_a_masked_softmax_is_one_over_what_a_row_has():
    score_BN = torch.randn(3, 4)
    mask_BN = torch.tensor([[1, 0, 1, 0], [1, 1, 1, 1], [0, 0, 0, 0]]).bool()
    weight_BN = masked_softmax(score_BN, mask_BN)
    for score_N, mask_N, weight_N in zip(score_BN, mask_BN, weight_BN, strict=True):
        kept_N = mask_N if mask_N.any() else ~mask_N
        torch.testing.assert_close(weight_N[kept_N], score_N[kept_N].softmax(0))
        assert not weight_N[~kept_N].any()
