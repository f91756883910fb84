"""Which rows may share a padded batch: all, where a network keeps padding out of real steps, else
those of equal length.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from merbench.api import RequestError

TOLERANCE = 1e-3
"""Difference that is float noise, as a share of the largest value."""
_SHORTEST = 3
"""Steps of the shortest text: its start, a piece, its end. CANINE, which joins four characters,
cannot read it.
"""


def rows_together(
    length_B: Tensor, masks_padding: bool, steps_at_once: int | None = None
) -> list[Tensor]:
    """The numbers of the rows of each batch; rows of length 0 are in none.

    ``steps_at_once``: a batch of more steps, padding included, is cut into several, the longest
    rows first; each has one row at least.
    """
    present_B = length_B > 0
    if not present_B.any():
        return []
    if masks_padding:
        batches = [present_B.nonzero()[:, 0]]
    else:
        lengths = length_B[present_B].unique()
        batches = [(length_B == length).nonzero()[:, 0] for length in lengths]
    if steps_at_once is None:
        return batches
    return [part for row_N in batches for part in _cut(length_B, row_N, steps_at_once)]


def _cut(length_B: Tensor, row_N: Tensor, steps_at_once: int) -> list[Tensor]:
    if len(row_N) * int(length_B[row_N].max()) <= steps_at_once:
        return [row_N]
    left_N = row_N[length_B[row_N].argsort(descending=True, stable=True)]
    parts = []
    while len(left_N):
        count = max(1, steps_at_once // int(length_B[left_N[0]]))
        parts.append(left_N[:count])
        left_N = left_N[count:]
    return parts


@torch.no_grad()
def masks_padding(
    net: nn.Module, states: Callable[[Tensor, Tensor | None], Tensor], x_L: Tensor, pad: Tensor
) -> bool:
    """Whether ``states`` of steps ``x_L`` are the same with as much padding ``pad`` behind them, as
    tried out.

    Convolutions (ConvBERT), Fourier transforms (FNet) and pooling (Funnel) bring padding into real
    steps, whatever their attention mask says; no list of such networks would be complete.
    ``states``: steps [1, L, ...] and mask [1, L] (None: all are real) -> [1, L, D], through
    ``net``. RequestError where it cannot read the steps even alone.
    """
    training = net.training
    net.eval()
    steps = len(x_L)
    padded_L = torch.cat([x_L, pad.expand_as(x_L)])
    real_L = torch.arange(2 * steps, device=x_L.device) < steps
    try:
        with torch.random.fork_rng(devices=[]):  # the run's random numbers stay as they are
            _tried(net, states, x_L[:_SHORTEST])
            alone_LD = _tried(net, states, x_L)
            beside_LD = states(padded_L[None], real_L[None])[0, :steps]
    except RequestError:
        raise
    except Exception:  # what a network cannot do with padding, it must not be asked to
        return False
    finally:
        net.train(training)
    return bool((alone_LD - beside_LD).abs().max() <= TOLERANCE * alone_LD.abs().max())


def _tried(
    net: nn.Module, states: Callable[[Tensor, Tensor | None], Tensor], x_L: Tensor
) -> Tensor:
    try:
        return states(x_L[None], None)[0]
    except Exception as error:
        line = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise RequestError(
            f"{type(net).__name__} does not read a text in pieces as BERT does ({line}); choose a "
            "model that does"
        ) from error
