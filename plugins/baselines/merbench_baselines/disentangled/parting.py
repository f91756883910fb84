"""What DMD and DLF, which builds on it, share: steps parted into what is a modality's own and what
is common to all.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from merbench.api import (
    Fused,
    Modality,
    Queries,
    Steps,
    by_length,
    compact,
    complete,
    masked_mean,
    present_modalities,
)
from merbench_baselines.layers import convolved


def parting_errors(
    x_BLD: Tensor,
    decoded_BLD: Tensor,
    s_BLD: Tensor,
    again_BLD: Tensor,
    c_BLD: Tensor,
    mask_BL: Tensor,
) -> list[Tensor]:
    """Means over a row's real steps [B, 1]: the error of x after decoding, of its own part s after
    decoding, and max(0, cos(s, c)) with the common part.
    """
    errors_BL3 = torch.stack(
        (
            (decoded_BLD - x_BLD).square().mean(2),
            (again_BLD - s_BLD).square().mean(2),
            F.cosine_similarity(s_BLD, c_BLD, 2).relu(),
        ),
        2,
    )
    return list(masked_mean(errors_BL3, mask_BL).split(1, 1))


class PartedFusion(nn.Module, ABC):
    """A fusion whose ``read`` gives, side by side and as wide as ``columns``: the three errors of
    every modality, the aligned common means, the branches and z.

    ``aux``: ``reconstruction``, ``specific`` and ``orthogonality`` [B, M], the errors; ``aligned``
    [B, M, D]; ``branches``; ``present`` [B, M].
    """

    inputs: Mapping[Modality, int]
    text_dropout: nn.Module
    convolve: nn.ModuleDict
    columns: tuple[int, ...]

    @abstractmethod
    def read(self, parts: dict[Modality, Steps]) -> Tensor:
        """[B, sum of ``columns``]."""

    def embed(self, m: Modality, steps: Steps) -> Tensor:
        return convolved(self.convolve[m], steps, self.text_dropout if m == "text" else None)

    def forward(self, parts: Mapping[Modality, Steps], queries: Queries | None = None) -> Fused:
        steps = {m: compact(s) for m, s in complete(parts, self.inputs).items()}
        *errors, aligned_BC, branches_BC, z_BC = by_length(self.read, steps, attends=True).split(
            self.columns, 1
        )
        count = len(steps)
        kinds = [torch.cat(errors[i : i + count], 1) for i in range(0, 3 * count, count)]
        aux = dict(zip(("reconstruction", "specific", "orthogonality"), kinds, strict=True))
        aux["aligned"] = aligned_BC.unflatten(1, (count, -1))
        aux["branches"] = branches_BC
        aux["present"] = present_modalities(steps)
        return Fused(z_BC[:, None], aux)
