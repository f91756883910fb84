"""Gated graph propagation over labels (Li et al. 2016; KGGR, 2009.09450, section 3.2)."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class GatedPropagation(nn.Module):
    """T steps over node vectors h [..., C, D] on a graph P [C, C]::

        a  = [P h ; P^T h]
        z  = sigmoid(Wz a + Uz h)         r = sigmoid(Wr a + Ur h)
        h~ = tanh(W a + U (r * h))        h <- (1 - z) * h + z * h~

    The gates are a GRU's. (A public code of the sibling SSGRL takes Uz in the reset gate too.)
    ``steps`` 0: h itself.
    """

    def __init__(self, width: int, steps: int, start: float | None = None) -> None:
        """``start``: standard deviation of all weights at first; None = torch's own."""
        super().__init__()
        self.steps = steps
        if not steps:
            return
        self.from_messages = nn.Linear(2 * width, 3 * width)
        self.from_gates = nn.Linear(width, 2 * width, bias=False)
        self.from_reset = nn.Linear(width, width, bias=False)
        if start is not None:
            for parameter in self.parameters():
                nn.init.normal_(parameter, std=start)

    def forward(self, h_CD: Tensor, graph_CC: Tensor) -> Tensor:
        for _ in range(self.steps):
            messages = torch.cat((graph_CC @ h_CD, graph_CC.T @ h_CD), -1)
            to_update, to_reset, to_new = self.from_messages(messages).chunk(3, -1)
            own_update, own_reset = self.from_gates(h_CD).chunk(2, -1)
            update_CD = (to_update + own_update).sigmoid()
            reset_CD = (to_reset + own_reset).sigmoid()
            new_CD = (to_new + self.from_reset(reset_CD * h_CD)).tanh()
            h_CD = (1 - update_CD) * h_CD + update_CD * new_CD
        return h_CD
