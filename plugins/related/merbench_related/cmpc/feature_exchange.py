"""``tgfe``: text-guided feature exchange between streams (Huang et al. 2020, arXiv 2010.00514,
section 3.3).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import torch
from torch import Tensor, nn

from merbench.api import Modality, Steps, masked_softmax
from merbench_related.cmpc.comprehension import Norm, Normalise
from merbench_related.layers import real

Exchanged = Literal["step", "pooled"]


class GuidePool(nn.Module):
    """[B, D]: sum_l softmax_l((x_l Wk)(g Wq)^T / sqrt(D)) x_l, the steps that the guide asks for;
    zeros where a row has none.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.key, self.query = (nn.Linear(width, width, bias=False) for _ in range(2))

    def forward(self, steps: Steps, guide_BD: Tensor) -> Tensor:
        query_BD = self.query(guide_BD) / guide_BD.shape[-1] ** 0.5
        score_BL = torch.einsum("bld,bd->bl", self.key(steps.x_BLD), query_BD)
        weight_BL = masked_softmax(score_BL, steps.mask_BL)
        return torch.einsum("bl,bld->bd", weight_BL, steps.x_BLD)


class Round(nn.Module):
    """One exchange: F_i <- l2(F_i + sum_{j != i} ReLU(F_j Wt) * sigmoid(c_i Wc)), c_i = l2(W [pool
    of F_i under the guide; guide]).

    ``step``: streams of one length, step by step. ``pooled``: each stream sends its pooled vector
    to every step of the others, so that lengths may differ. A stream that a row lacks sends
    nothing. ``guided`` False: c_i is made without the guide, from the masked mean of its stream.
    """

    def __init__(
        self,
        names: tuple[Modality, ...],
        width: int,
        exchange: Exchanged,
        guided: bool,
        norm: Norm,
    ) -> None:
        super().__init__()
        self.exchange, self.guided, self.normalise = exchange, guided, Normalise(norm)
        self.pool = nn.ModuleDict({m: GuidePool(width) for m in names if guided})
        self.context = nn.ModuleDict({m: nn.Linear((1 + guided) * width, width) for m in names})
        self.send, self.gate = (
            nn.ModuleDict({m: nn.Linear(width, width) for m in names}) for _ in range(2)
        )

    def forward(self, streams: Mapping[Modality, Steps], guide_BD: Tensor) -> dict[Modality, Steps]:
        pooled = {m: self._pool(m, steps, guide_BD) for m, steps in streams.items()}
        sent = {}
        for m, steps in streams.items():
            x_BLD = steps.x_BLD if self.exchange == "step" else pooled[m][:, None]
            has_B11 = steps.mask_BL.any(1)[:, None, None]
            sent[m] = torch.where(has_B11, self.send[m](x_BLD).relu(), 0.0)
        received = {}
        for m, steps in streams.items():
            facts_BD = torch.cat((pooled[m], guide_BD), -1) if self.guided else pooled[m]
            context_BD = self.normalise(self.context[m](facts_BD))
            others_BLD = torch.stack(
                [message.expand_as(steps.x_BLD) for name, message in sent.items() if name != m]
            ).sum(0)
            x_BLD = steps.x_BLD + others_BLD * self.gate[m](context_BD).sigmoid()[:, None]
            received[m] = real(self.normalise(x_BLD), steps.mask_BL)
        return received

    def _pool(self, m: Modality, steps: Steps, guide_BD: Tensor) -> Tensor:
        if self.guided:
            return self.pool[m](steps, guide_BD)
        return steps.x_BLD.sum(1) / steps.mask_BL.sum(1, keepdim=True).clamp(min=1)


class StreamLSTM(nn.Module):
    """An LSTM over the streams, in their order, at every step by itself (a ConvLSTM whose kernel is
    1 wide): [B, L, D]. A stream that a row lacks leaves the state as it is.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.cell = nn.LSTMCell(width, width)

    def forward(self, streams: list[Steps]) -> Tensor:
        rows, length, width = streams[0].x_BLD.shape
        h_ND = streams[0].x_BLD.new_zeros(rows * length, width)
        c_ND = torch.zeros_like(h_ND)
        for steps in streams:
            real_N1 = steps.mask_BL.reshape(-1, 1)
            next_h, next_c = self.cell(steps.x_BLD.reshape(-1, width), (h_ND, c_ND))
            h_ND, c_ND = torch.where(real_N1, next_h, h_ND), torch.where(real_N1, next_c, c_ND)
        return h_ND.reshape(rows, length, width)
