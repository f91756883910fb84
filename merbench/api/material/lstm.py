"""LSTMs over rows of unequal length. On a CPU torch's own computes padding, and the gradient of its
input also where nobody asks for that, which is half of its time.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn.utils.rnn import PackedSequence

from merbench.api.material.types import Steps


def lstm_states(
    lstm: nn.LSTM, steps: Steps, dropout: nn.Module | None = None, backwards: bool = False
) -> Tensor:
    """[B, L, H]: the states of an ``lstm`` of one direction after each real step; it passes masked
    ones by, where zeros are. ``dropout``: of what it reads. ``backwards``: from the last step on.
    """
    packing = _Packing(steps.mask_BL, backwards)
    x_PD = packing.pack(steps.x_BLD)
    x_PD = x_PD if dropout is None else dropout(x_PD)
    if packing.sizes and (x_PD.device.type != "cpu" or torch.is_autocast_enabled("cpu")):
        return packing.unpack(lstm(PackedSequence(x_PD, torch.tensor(packing.sizes)))[0].data)
    for layer, weights in enumerate(lstm.all_weights):
        if layer:
            x_PD = F.dropout(x_PD, lstm.dropout, lstm.training)
        x_PD, _ = packing.run(x_PD, *weights)
    return packing.unpack(x_PD)


def lstm_memories(cell: nn.LSTMCell, steps: Steps) -> tuple[Tensor, Tensor]:
    """States h and memories c [B, L, H] after each real step, as ``lstm_states``."""
    packing = _Packing(steps.mask_BL)
    weights = cell.weight_ih, cell.weight_hh, cell.bias_ih, cell.bias_hh
    h_PH, c_PH = packing.run(packing.pack(steps.x_BLD), *weights)
    return packing.unpack(h_PH), packing.unpack(c_PH)


class _Packing:
    """The P real steps of rows, by time: at each the rows that reach it, the longest row first."""

    def __init__(self, mask_BL: Tensor, backwards: bool = False) -> None:
        self.shape = mask_BL.shape
        n_rows, longest = mask_BL.shape
        time_L1 = torch.arange(longest, device=mask_BL.device)[:, None]
        length_B = mask_BL.sum(1)
        end_B = length_B.cumsum(0)
        length_B, order_B = length_B.sort(descending=True, stable=True)
        reached_LB = time_L1 < length_B
        count_L = reached_LB.sum(1)
        self.sizes: list[int] = [n for n in count_L.tolist() if n]
        """How many rows reach each step."""
        number_LB = length_B - 1 - time_L1 if backwards else time_L1
        among_real_LB = end_B[order_B] - length_B + number_LB
        self.place_P = mask_BL.flatten().nonzero()[:, 0][among_real_LB[reached_LB]]
        """Of each in B x L."""
        begin_L1 = (count_L.cumsum(0) - count_L)[:, None]
        place_LB = begin_L1 + torch.arange(n_rows, device=mask_BL.device)
        self.before_Q = place_LB[:-1][reached_LB[1:]]
        """Of all but the first of each row, where in P the one before it is."""

    def pack(self, x_BLD: Tensor) -> Tensor:
        return x_BLD.flatten(0, 1).index_select(0, self.place_P)

    def unpack(self, x_PD: Tensor) -> Tensor:
        """[B, L, D], zeros where a step is masked."""
        width = x_PD.shape[1]
        x_ND = x_PD.new_zeros(self.shape.numel(), width)
        return x_ND.index_copy(0, self.place_P, x_PD).view(*self.shape, width)

    def run(
        self, x_PD: Tensor, w_ih: Tensor, w_hh: Tensor, b_ih: Tensor, b_hh: Tensor
    ) -> tuple[Tensor, Tensor]:
        """States and memories [P, H]."""
        with torch.autocast(x_PD.device.type, enabled=False):
            h_PH, c_PH = _Layer.apply(
                x_PD.to(w_ih.dtype), self.sizes, self.before_Q, w_ih, w_hh, b_ih + b_hh
            )
        return h_PH, c_PH


class _Layer(torch.autograd.Function):
    """i, f, g, o = sigmoid, but g = tanh, of W x_t + U h_{t-1} + b; c_t = f c_{t-1} + i g;
    h_t = o tanh(c_t) (Hochreiter & Schmidhuber 1997, with Gers' forget gate).

    Only products with U are done step by step, in both directions of time: all else is one product
    of all steps.
    """

    @staticmethod
    def forward(
        ctx: Any,
        x_PD: Tensor,
        sizes: Sequence[int],
        before_Q: Tensor,
        w_GD: Tensor,
        u_GH: Tensor,
        b_G: Tensor,
    ) -> tuple[Tensor, Tensor]:
        width = u_GH.shape[1]
        gates_PG = torch.addmm(b_G, x_PD, w_GD.t())
        c_PH, tanh_PH, h_PH = gates_PG.new_empty(3, len(gates_PG), width).unbind(0)
        i_PH, f_PH, g_PH, o_PH = gates_PG.split(width, 1)
        i_f_PF = gates_PG[:, : 2 * width]
        columns = gates_PG, i_f_PF, i_PH, f_PH, g_PH, o_PH, c_PH, tanh_PH, h_PH
        h_before = c_before = None
        for n, gates, i_f, i, f, g, o, c, tanh, h in zip(
            sizes, *(column.split(sizes) for column in columns), strict=True
        ):
            if h_before is not None:
                gates.addmm_(h_before[:n], u_GH.t())
            i_f.sigmoid_()
            g.tanh_()
            o.sigmoid_()
            torch.mul(i, g, out=c)
            if c_before is not None:
                c.addcmul_(f, c_before[:n])
            torch.mul(o, torch.tanh(c, out=tanh), out=h)
            h_before, c_before = h, c
        ctx.save_for_backward(x_PD, gates_PG, c_PH, tanh_PH, h_PH, before_Q, w_GD, u_GH)
        ctx.sizes = sizes
        ctx.set_materialize_grads(False)
        return h_PH, c_PH

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, dh_PH: Tensor | None, dc_PH: Tensor | None) -> tuple[Tensor | None, ...]:
        x_PD, gates_PG, c_PH, tanh_PH, h_PH, before_Q, w_GD, u_GH = ctx.saved_tensors
        n_first, width = len(gates_PG) - len(before_Q), u_GH.shape[1]
        slope_PG, c_of_h_PH = _slopes(gates_PG, c_PH, tanh_PH, before_Q)
        dh_PH = torch.zeros_like(h_PH) if dh_PH is None else dh_PH.clone()
        dc_PH = torch.zeros_like(c_PH) if dc_PH is None else dc_PH.clone()
        f_PH = gates_PG[:, width : 2 * width]
        of_c_P3H, of_h_PH = slope_PG.unflatten(1, (4, width))[:, :3], slope_PG[:, 3 * width :]
        columns = dh_PH, dc_PH, c_of_h_PH, f_PH, of_c_P3H, of_h_PH, slope_PG
        by_time = ctx.sizes, *(column.split(ctx.sizes) for column in columns)
        n_later, carried_gates, carried_c = 0, None, None
        for n, dh, dc, c_of_h, f, of_c, of_h, dgates in zip(*map(reversed, by_time), strict=True):
            if n_later:
                dh[:n_later].addmm_(carried_gates, u_GH)
                dc[:n_later].add_(carried_c)
            dc.addcmul_(dh, c_of_h)
            of_c.mul_(dc[:, None])
            of_h.mul_(dh)
            n_later, carried_gates, carried_c = n, dgates, dc * f
        dx_PD = slope_PG @ w_GD if ctx.needs_input_grad[0] else None
        du_GH = slope_PG[n_first:].t() @ h_PH.index_select(0, before_Q)
        return dx_PD, None, None, slope_PG.t() @ x_PD, du_GH, slope_PG.sum(0)


def _slopes(
    gates_PG: Tensor, c_PH: Tensor, tanh_PH: Tensor, before_Q: Tensor
) -> tuple[Tensor, Tensor]:
    """What the gradients of i, f and g before their sigmoid or tanh are over that of c, and of o
    over that of h [P, 4 H]; what c's is over h's [P, H].
    """
    width, n_first = c_PH.shape[1], len(c_PH) - len(before_Q)
    i_PH, f_PH, g_PH, o_PH = gates_PG.split(width, 1)
    slope_PG = torch.empty_like(gates_PG)
    of_i, of_f, of_g, of_o = slope_PG.split(width, 1)
    torch.mul(g_PH * i_PH, 1 - i_PH, out=of_i)
    f_QH = f_PH[n_first:]
    of_f[:n_first] = 0
    torch.mul(f_QH * (1 - f_QH), c_PH.index_select(0, before_Q), out=of_f[n_first:])
    torch.addcmul(i_PH, i_PH * g_PH, g_PH, value=-1, out=of_g)
    torch.mul(tanh_PH * o_PH, 1 - o_PH, out=of_o)
    return slope_PG, torch.addcmul(o_PH, o_PH * tanh_PH, tanh_PH, value=-1)
