"""What the tests of the field's methods share: parts built alone, and rows without padding."""

from __future__ import annotations

import torch

from merbench.api import Steps
from merbench.testing import tiny
from tests.plugins.perturbed import perturbed

WIDTHS = {"text": 6, "audio": 5, "video": 4}


def make(factory, widths=WIDTHS, context=None, **settings):
    """A fusion with the given settings, in evaluation mode."""
    torch.manual_seed(0)
    context = context or tiny.context(modalities=tuple(widths))
    return perturbed(factory(factory.Config(**settings), context, widths, None)).eval()


def sequences(missing=(), widths=WIDTHS, aligned=False):
    """Steps of different widths and lengths; ``missing``: pairs (modality, row)."""
    rows = {m: [row for n, row in missing if n == m] for m in widths}
    parts = {
        m: tiny.steps(5, 6 if aligned else 4 + 2 * i, w, seed=i)
        for i, (m, w) in enumerate(widths.items())
    }
    mask_BL = next(iter(parts.values())).mask_BL
    for m, steps in parts.items():
        steps = Steps(steps.x_BLD, mask_BL.clone() if aligned else steps.mask_BL)
        steps.mask_BL[rows[m]] = False
        parts[m] = steps
    return parts


def real(steps, row):
    """[L, D]: a row's real steps, without padding."""
    return steps.x_BLD[row][steps.mask_BL[row]]


def close(a, b, atol=1e-5):
    assert a.shape == b.shape
    assert torch.allclose(a, b, atol=atol), (a - b).abs().max()
