"""Streams of unequal length brought to the steps of another, by share of their length, or to the
words of a text.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from merbench.api.material.ops import compact
from merbench.api.material.types import Steps, Tokens


def resample(steps: Steps, length_B: Tensor) -> Tensor:
    """[B, T, D]: row b's L_b real steps spread over ``length_B[b]`` steps, T = the largest of those
    (at least 1).

    Step s is the mean of the source steps from floor(s L / T) up to, not including, floor((s + 1) L
    / T), and of at least the first of these: a longer stream is averaged over windows of equal
    share, a shorter one is repeated, a single step is held throughout. A missing modality gives
    zeros; what stands after a row's length is arbitrary.
    """
    x_BLD, mask_BL = compact(steps)
    if torch.equal(mask_BL.sum(1), length_B):  # aligned
        return x_BLD[:, : max(1, int(length_B.max()))]
    # A window's sum is a difference of running sums, in double precision so that nothing is lost by
    # it.
    sums_BLD = F.pad(x_BLD.double().cumsum(1), (0, 0, 1, 0))
    source_B1 = mask_BL.sum(1, keepdim=True).clamp(min=1)
    target_B1 = length_B[:, None].clamp(min=1)
    step_T = torch.arange(int(target_B1.max()), device=x_BLD.device)
    first_BT = (step_T * source_B1 // target_B1).minimum(source_B1 - 1)
    end_BT = ((step_T + 1) * source_B1 // target_B1).minimum(source_B1).maximum(first_BT + 1)
    rows_B1 = torch.arange(len(x_BLD), device=x_BLD.device)[:, None]
    sum_BTD = sums_BLD[rows_B1, end_BT] - sums_BLD[rows_B1, first_BT]
    return (sum_BTD / (end_BT - first_BT)[..., None]).to(x_BLD.dtype)


def at_pieces(steps: Steps, mask_BL: Tensor, tokens: Tokens | None) -> Tensor:
    """[B, L, D]: at each piece of the text what goes with its word, ``steps`` resampled to a step a
    word. Zeros at pieces of no word, and where the modality is missing. Without ``tokens`` each
    step of ``mask_BL`` is a word.
    """
    words_BL = mask_BL.cumsum(1) - 1 if tokens is None else tokens.word_BL
    words_BL = torch.where(mask_BL, words_BL, -1)
    at_words_BWD = resample(steps, words_BL.amax(1) + 1)
    rows_B1 = torch.arange(len(words_BL), device=words_BL.device)[:, None]
    return torch.where(
        (words_BL >= 0)[..., None], at_words_BWD[rows_B1, words_BL.clamp(min=0)], 0.0
    )
