"""Modalities that a batch or a row of it lacks."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from merbench.api.material.types import Modality, Steps


def complete(
    parts: Mapping[Modality, Steps], widths: Mapping[Modality, int]
) -> dict[Modality, Steps]:
    """All modalities of ``widths``, in their order, for a fusion with weights for each of them: one
    that ``parts`` lack becomes a single masked step [B, 1, D], as of rows that miss it.
    """
    given_steps = next(iter(parts.values()))
    absent_B1 = torch.zeros_like(given_steps.mask_BL[:, :1])
    return {
        m: parts[m]
        if m in parts
        else Steps(given_steps.x_BLD.new_zeros(len(absent_B1), 1, width), absent_B1)
        for m, width in widths.items()
    }


def present_modalities(parts: Mapping[Modality, Steps]) -> Tensor:
    """[B, M] bool: which of the M modalities, in the order of ``parts``, a row has."""
    return torch.stack([steps.mask_BL.any(1) for steps in parts.values()], 1)
