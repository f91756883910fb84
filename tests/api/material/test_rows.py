from __future__ import annotations

import torch

from merbench.api.material.rows import gather


def test_a_stream_without_a_step_in_any_row_is_padding_alone():
    """As of transcripts that are punctuation alone."""
    none = torch.zeros(3, dtype=torch.long)
    x_BLD, mask_BL = gather(torch.empty(0, 4), none, none, torch.tensor([0, 2]))
    assert x_BLD.shape == (2, 1, 4) and not x_BLD.any() and not mask_BL.any()
