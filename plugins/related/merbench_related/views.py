"""Random views of a batch's inputs, for objectives that compare an utterance with itself.

They act on inputs that are ``Steps``: sequences of features or of word numbers. Others (waveforms,
frames, a language model's tokens) pass as they are. Each row and modality draws by itself, from
torch's own generator, which the training loop seeds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from merbench.api import Modality, Steps, compact


@dataclass(frozen=True)
class View:
    """What is done to the steps of each row, in this order; 0 leaves a step out of it.

    ``crop``     keep a random window of this share of the steps (0 = all).
    ``warp``     read them at another speed: time is stretched by up to this share, to and fro.
    ``drop``     hide this share of the steps, each by itself; ``mask``: in runs of ``span``.
    ``noise``    Gaussian, this many standard deviations of the batch's steps.
    ``channels`` set this share of the dimensions to 0, the same in all steps of a row.
    ``modality`` hide a whole modality at this rate, never the last that a row has.

    A row keeps at least one step of what it has. Noise and channels leave word numbers alone.
    """

    crop: float = 0.0
    warp: float = 0.0
    drop: float = 0.0
    mask: float = 0.0
    span: int = 3
    noise: float = 0.0
    channels: float = 0.0
    modality: float = 0.0

    def __call__(self, inputs: Mapping[Modality, Any]) -> dict[Modality, Any]:
        viewed = {m: self._sequence(x) if isinstance(x, Steps) else x for m, x in inputs.items()}
        return self._without_modalities(viewed) if self.modality else viewed

    def _sequence(self, steps: Steps) -> Steps:
        x_BLD, mask_BL = compact(steps)
        if self.warp:
            x_BLD = warped(x_BLD, mask_BL, self.warp)
        kept_BL = window(mask_BL, self.crop) if self.crop else mask_BL
        if self.drop:
            kept_BL = kept_BL & (torch.rand_like(mask_BL, dtype=torch.float) >= self.drop)
        if self.mask:
            kept_BL = kept_BL & ~runs(mask_BL, self.mask, self.span)
        kept_BL = at_least_one(kept_BL, mask_BL)
        if x_BLD.is_floating_point():
            x_BLD = self._disturbed(x_BLD, mask_BL)
        return compact(Steps(x_BLD, kept_BL))

    def _disturbed(self, x_BLD: Tensor, mask_BL: Tensor) -> Tensor:
        if self.noise and mask_BL.sum() > 1:
            x_BLD = x_BLD + self.noise * x_BLD[mask_BL].std(0) * torch.randn_like(x_BLD)
        if self.channels:
            x_BLD = x_BLD * (torch.rand_like(x_BLD[:, :1]) >= self.channels)
        return x_BLD

    def _without_modalities(self, inputs: dict[Modality, Any]) -> dict[Modality, Any]:
        names = [m for m, x in inputs.items() if isinstance(x, Steps)]
        if len(names) < 2:
            return inputs
        has_BM = torch.stack([inputs[m].mask_BL.any(1) for m in names], 1)
        draw_BM = torch.rand(has_BM.shape, device=has_BM.device)
        # Of what a row has, what was drawn highest always stays.
        stays_BM = (draw_BM >= self.modality) | (draw_BM == (draw_BM * has_BM).amax(1, True))
        hidden = {
            m: Steps(inputs[m].x_BLD, inputs[m].mask_BL & stays_BM[:, i : i + 1])
            for i, m in enumerate(names)
        }
        return {**inputs, **hidden}


def window(mask_BL: Tensor, share: float) -> Tensor:
    """[B, L] bool: a random run of ceil(share * n) of a row's n real steps, which come first."""
    n_B1 = mask_BL.sum(1, keepdim=True)
    size_B1 = (share * n_B1).ceil().long()
    start_B1 = (torch.rand(n_B1.shape, device=n_B1.device) * (n_B1 - size_B1 + 1)).long()
    place_L = torch.arange(mask_BL.shape[1], device=mask_BL.device)
    return mask_BL & (place_L >= start_B1) & (place_L < start_B1 + size_B1)


def runs(mask_BL: Tensor, share: float, span: int) -> Tensor:
    """[B, L] bool: about ``share`` of the real steps, in runs of ``span``."""
    rate = 1 - (1 - share) ** (1 / span)
    start_BL = torch.rand_like(mask_BL, dtype=torch.float) < rate
    covered_BL = start_BL.clone()
    for shift in range(1, min(span, mask_BL.shape[1])):
        covered_BL[:, shift:] |= start_BL[:, :-shift]
    return covered_BL & mask_BL


def at_least_one(kept_BL: Tensor, mask_BL: Tensor) -> Tensor:
    """``kept_BL``, and where it keeps none of a row's real steps, one of them at random."""
    lottery_BL = torch.rand_like(mask_BL, dtype=torch.float) * mask_BL
    lucky_BL = (lottery_BL == lottery_BL.amax(1, keepdim=True)) & mask_BL
    return torch.where(kept_BL.any(1, keepdim=True), kept_BL, lucky_BL)


def warped(x_BLD: Tensor, mask_BL: Tensor, strength: float) -> Tensor:
    """The steps read at t + a sin(pi t) of the row's duration t in (0, 1), a drawn from +-strength
    for each row: the nearest step is taken, so that word numbers stay words.
    """
    n_B1 = mask_BL.sum(1, keepdim=True).clamp(min=1)
    time_BL = (torch.arange(mask_BL.shape[1], device=mask_BL.device) + 0.5) / n_B1
    a_B1 = strength * (2 * torch.rand(n_B1.shape, device=n_B1.device) - 1)
    read_BL = ((time_BL + a_B1 * (torch.pi * time_BL).sin()) * n_B1).long()
    read_BL = read_BL.clamp(min=0).minimum(n_B1 - 1)
    rows_B1 = torch.arange(len(x_BLD), device=x_BLD.device)[:, None]
    return torch.where(mask_BL[..., None], x_BLD[rows_B1, read_BL], x_BLD)
