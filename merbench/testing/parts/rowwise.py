"""What holds for every row on its own: padding, order and company of rows change nothing."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from merbench.api import Modality, Steps

CLOSE = 1e-4
PERMUTED = torch.tensor([3, 0, 4, 1, 2])
ROWWISE = {
    "padding invariance": "padding",
    "batch permutation": "permutation",
    "a row alone": "alone",
    "missing modality is finite": "missing",
}
"""Name of a check -> its key in ``rowwise``."""


def assert_close(a: Tensor, b: Tensor, subject: str) -> None:
    assert torch.isfinite(a).all(), "an output is not finite"
    gap = float((a.detach().float() - b.detach().float()).abs().max()) if a.numel() else 0.0
    assert a.shape == b.shape, f"{subject}: shape {tuple(a.shape)} became {tuple(b.shape)}"
    assert gap < CLOSE, f"{subject}: an output changed by {gap:.2g}"


def garbage(steps: Steps, value: float) -> Steps:
    """Other content in the padded steps: ``value``, or 0 where they are whole numbers."""
    mask = steps.mask_BL.reshape(*steps.mask_BL.shape, *[1] * (steps.x_BLD.ndim - 2))
    filling = torch.full_like(steps.x_BLD, value if steps.x_BLD.is_floating_point() else 0)
    return Steps(torch.where(mask, steps.x_BLD, filling), steps.mask_BL)


def longer(steps: Steps, by: int = 3) -> Steps:
    """More padding."""
    pad = steps.x_BLD.new_zeros(len(steps.x_BLD), by, *steps.x_BLD.shape[2:])
    return Steps(
        torch.cat([steps.x_BLD, pad], 1),
        torch.cat([steps.mask_BL, steps.mask_BL.new_zeros(len(pad), by)], 1),
    )


def without(steps: Steps, row: int) -> Steps:
    """All steps of a row masked: its modality is missing."""
    mask_BL = steps.mask_BL.clone()
    mask_BL[row] = False
    return Steps(steps.x_BLD, mask_BL)


def incomplete(parts: Mapping[Modality, Steps]) -> dict[Modality, Steps]:
    """The first row lacks the first modality, the second the second, and so on; the last all."""
    return {m: without(without(s, i), -1) for i, (m, s) in enumerate(parts.items())}


def take(steps: Steps, rows: Tensor) -> Steps:
    return Steps(steps.x_BLD[rows], steps.mask_BL[rows])


RowFunction = Callable[[dict[Modality, Steps]], Tensor]
"""Parts of 5 rows -> [5, ...]."""


def rowwise(f: RowFunction, parts: dict[Modality, Steps], check: str) -> None:
    """One of the checks of ``ROWWISE`` on ``f``, with rows that have everything and with some that
    lack modalities.
    """
    with torch.no_grad():
        if check == "missing":
            _finite_without_modalities(f, parts)
            return
        for rows in (parts, incomplete(parts)):
            _each_by_itself(f, rows, check)


def _each_by_itself(f: RowFunction, parts: dict[Modality, Steps], check: str) -> None:
    base = f(parts)
    if check == "padding":
        for value, subject in ((7.0, "changed"), (math.nan, "NaN")):
            refilled = {m: garbage(s, value) for m, s in parts.items()}
            assert_close(base, f(refilled), f"padded content was {subject}")
        padded = {m: longer(s) for m, s in parts.items()}
        assert_close(base, f(padded), "rows were padded further")
    elif check == "permutation":
        permuted = {m: take(s, PERMUTED) for m, s in parts.items()}
        assert_close(base[PERMUTED], f(permuted), "rows were permuted")
    else:
        for row in range(len(base)):
            alone = {m: take(s, torch.tensor([row])) for m, s in parts.items()}
            assert_close(base[row : row + 1], f(alone), "a row stood alone in its batch")


def _finite_without_modalities(f: RowFunction, parts: dict[Modality, Steps]) -> None:
    for modality in parts:
        damaged = {m: without(s, 2) if m == modality else s for m, s in parts.items()}
        assert torch.isfinite(f(damaged)).all(), (
            f"a row without {modality} gives an output that is not finite"
        )
    nothing = {m: without(s, 2) for m, s in parts.items()}
    assert torch.isfinite(f(nothing)).all(), (
        "a row without any modality gives an output that is not finite"
    )
