"""What the floors on pooled inputs share: the columns, their scale, and a weight a modality."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple, Protocol, TypeVar

import torch
from torch import Tensor

from merbench.api import Batch, SplitView, Steps, by_length, masked_max, masked_mean
from merbench_baselines.floors.floor import Floor, joined, without_inputs

WEIGHTS = (0.0, 0.03, 0.1, 0.3, 1.0, 3.0)
"""Of a modality's columns beside the first modality's, whose weight is 1."""


class Standardised(NamedTuple):
    """Train ``x_NP`` and valid ``v_NP`` rows (float64), less ``mean_P``, over ``deviation_P`` of
    the train rows; the deviation of a column that is constant there is infinite. ``train`` and
    ``valid``: their targets.
    """

    x_NP: Tensor
    v_NP: Tensor
    mean_P: Tensor
    deviation_P: Tensor
    train: Batch
    valid: Batch


class Fitted(Protocol):
    """A fit on weighted columns."""

    @property
    def loss(self) -> float:
        """On the validation rows."""


F = TypeVar("F", bound=Fitted)


class PooledFloor(Floor):
    """Reads masked mean, maximum and minimum of every modality, and whether it is missing."""

    def inputs(self, batch: Batch) -> Tensor:
        """[B, P] float32."""
        columns = []
        for m, encoder in self.encoders.items():
            steps = encoder(batch.inputs[m])
            missing_B1 = (~steps.mask_BL.any(1, keepdim=True)).to(steps.x_BLD.dtype)
            columns += [masked_mean(*steps), by_length(_extremes, {"x": steps}), missing_B1]
        return torch.cat(columns, 1)

    def standardised(self, train: SplitView, valid: SplitView) -> Standardised:
        (x_NP, train_rows), (v_NP, valid_rows) = map(self._read, (train, valid))
        mean_P = x_NP.mean(0)
        deviation_P = x_NP.std(0, correction=0)
        deviation_P = torch.where(
            deviation_P > 1e-6 * mean_P.abs().clamp(min=1e-6), deviation_P, torch.inf
        )  # a constant says nothing
        return Standardised(
            (x_NP - mean_P) / deviation_P,
            (v_NP - mean_P) / deviation_P,
            mean_P,
            deviation_P,
            train_rows,
            valid_rows,
        )

    def _read(self, view: SplitView) -> tuple[Tensor, Batch]:
        """[N, P] float64, and the targets: every row is read once."""
        columns, batches = [], []
        for batch in view.batches():
            columns.append(self.inputs(batch))
            batches.append(without_inputs(batch))
        return torch.cat(columns).double(), joined(batches)

    def best_weighted(self, fit: Callable[[Tensor], F], device: torch.device) -> F:
        """The fit with the lowest loss. ``fit`` is called with a weight for every column: 1 for the
        first modality's, and for each other modality, one after another, each of ``WEIGHTS``.
        """
        widths = [3 * int(encoder.width) + 1 for encoder in self.encoders.values()]
        weights = [1.0] * len(widths)
        best = fit(_columns(weights, widths, device))
        for modality_index in range(1, len(widths)):
            for tried in _others(weights, modality_index):
                fitted = fit(_columns(tried, widths, device))
                if fitted.loss < best.loss:
                    best, weights = fitted, tried
        return best


def _extremes(parts: Mapping[str, Steps]) -> Tensor:
    """[B, 2D]: maximum and minimum."""
    x_BLD, mask_BL = parts["x"]
    return torch.cat([masked_max(x_BLD, mask_BL), -masked_max(-x_BLD, mask_BL)], 1)


def _others(weights: Sequence[float], index: int) -> Iterator[list[float]]:
    """The same with another weight of WEIGHTS at ``index``."""
    for weight in WEIGHTS:
        if weight != weights[index]:
            yield [*weights[:index], weight, *weights[index + 1 :]]


def _columns(weights: Sequence[float], widths: Sequence[int], device: torch.device) -> Tensor:
    """[P] float64, ([1, .3], [2, 3]) -> 1 1 .3 .3 .3."""
    weight_M = torch.tensor(weights, dtype=torch.float64, device=device)
    return weight_M.repeat_interleave(torch.tensor(widths, device=device))
