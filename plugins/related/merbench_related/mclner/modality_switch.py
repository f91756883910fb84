"""The modality-switched view: spans of one stream say what another says at that time (after the
code-switched sentences of mCL-NER, Mo et al. 2024, arXiv 2308.09073).
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from merbench.api import MODALITIES, Modality, Steps, compact
from merbench_related.views import runs


def aligned_index(mask_BL: Tensor, donor_mask_BK: Tensor) -> Tensor:
    """[B, L]: the donor's step at the same share of the utterance, floor((i + 1/2) n_donor / n);
    both streams have their real steps first.
    """
    n_B1 = mask_BL.sum(1, keepdim=True).clamp(min=1)
    donor_n_B1 = donor_mask_BK.sum(1, keepdim=True)
    place_L = torch.arange(mask_BL.shape[1], device=mask_BL.device) + 0.5
    index_BL = (place_L * donor_n_B1 / n_B1).long()
    return index_BL.minimum((donor_n_B1 - 1).clamp(min=0))


class ModalitySwitch(nn.Module):
    """Encoded steps per modality -> the same with a share of each stream's steps replaced, and
    where: [B, L] bool.

    What comes in is the mean of the aligned steps of the other modalities that the row has, each
    through a linear map of that pair. Masks stay; real steps are moved to the front. With one
    modality nothing is replaced.
    """

    def __init__(self, widths: Mapping[Modality, int], ratio: float, length: int) -> None:
        super().__init__()
        self.ratio, self.length = ratio, length
        names = [m for m in MODALITIES if m in widths]
        self.carry = nn.ModuleDict(
            {
                f"{donor}_to_{m}": nn.Linear(widths[donor], widths[m])
                for m in names
                for donor in names
                if donor != m
            }
        )

    def forward(
        self, parts: Mapping[Modality, Steps]
    ) -> tuple[dict[Modality, Steps], dict[Modality, Tensor]]:
        compacted = {m: compact(steps) for m, steps in parts.items()}
        switched: dict[Modality, Steps] = {}
        replaced: dict[Modality, Tensor] = {}
        for m, (x_BLD, mask_BL) in compacted.items():
            donors = [donor for donor in compacted if donor != m]
            if not donors:
                switched[m], replaced[m] = compacted[m], torch.zeros_like(mask_BL)
                continue
            present_BN = torch.stack([compacted[donor].mask_BL.any(1) for donor in donors], 1)
            carried_BNLD = torch.stack(
                [self._carried(donor, m, compacted[donor], mask_BL) for donor in donors], 1
            )
            share_BN = present_BN / present_BN.sum(1, keepdim=True).clamp(min=1)
            incoming_BLD = torch.einsum("bn,bnld->bld", share_BN, carried_BNLD)
            replaced[m] = runs(mask_BL, self.ratio, self.length) & present_BN.any(1)[:, None]
            mixed_BLD = torch.where(replaced[m][..., None], incoming_BLD, x_BLD)
            switched[m] = Steps(mixed_BLD, mask_BL)
        return switched, replaced

    def _carried(self, donor: Modality, m: Modality, steps: Steps, mask_BL: Tensor) -> Tensor:
        index_BL = aligned_index(mask_BL, steps.mask_BL)
        rows_B1 = torch.arange(len(index_BL), device=index_BL.device)[:, None]
        return self.carry[f"{donor}_to_{m}"](steps.x_BLD[rows_B1, index_BL])
