"""A split's stream as torch sees it: indexable by rows, vectorised, without a copy of what lies on
disk.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from merbench.api.material.standardise_and_replace_nan import standardised
from merbench.api.material.types import Steps, StreamSpec


def gather(values: Tensor, start_N: Tensor, length_N: Tensor, rows_B: Tensor) -> Steps:
    """Rows of a ragged array as a padded block: values [T, ...] -> Steps([B, L, ...], [B, L]), L =
    the longest of them (at least 1).

    Padded steps hold whatever value lies at a clamped position, or zeros where no row has a step;
    the mask says so.
    """
    if not len(values):
        values = values.new_zeros(1, *values.shape[1:])
    length_B = length_N[rows_B]
    steps_L = torch.arange(max(1, int(length_B.max())) if len(length_B) else 1)
    mask_BL = steps_L < length_B[:, None]
    where_BL = (start_N[rows_B][:, None] + steps_L).clamp_(max=max(0, len(values) - 1))
    x_BLD = values.index_select(0, where_BL.flatten()).unflatten(0, where_BL.shape)
    return Steps(x_BLD, mask_BL)


class Rows:
    """N rows of one stream. ``rows[rows_B]`` gives what an encoder is called with; see the
    subclasses.
    """

    spec: StreamSpec

    def __init__(self, spec: StreamSpec, start_N: Tensor, length_N: Tensor) -> None:
        self.spec, self.start_N, self.length_N = spec, start_N, length_N

    def __len__(self) -> int:
        return len(self.start_N)

    def __getitem__(self, rows_B: Tensor) -> Any:
        raise TypeError(
            f"a stream of kind {self.spec.kind!r} must be made ready by its encoder's prepare()"
        )


class FeatureRows(Rows):
    """``features``: Steps with x float32 [B, L, D], standardised by the TRAIN rows; a NaN or inf
    becomes 0 (the mean).
    """

    def __init__(
        self,
        spec: StreamSpec,
        values: Tensor,
        start_N: Tensor,
        length_N: Tensor,
        mean_D: Tensor,
        scale_D: Tensor,
    ) -> None:
        super().__init__(spec, start_N, length_N)
        self.values, self.mean_D, self.scale_D = values, mean_D, scale_D

    def __getitem__(self, rows_B: Tensor) -> Steps:
        x_BLD, mask_BL = gather(self.values, self.start_N, self.length_N, rows_B)
        return Steps(standardised(x_BLD, self.mean_D, self.scale_D), mask_BL)


class StepRows(Rows):
    """``steps``: Steps with x float32 [B, L, D], as a frozen encoder made them."""

    def __init__(self, spec: StreamSpec, values: Tensor, start_N: Tensor, length_N: Tensor) -> None:
        super().__init__(spec, start_N, length_N)
        self.values = values

    def __getitem__(self, rows_B: Tensor) -> Steps:
        return gather(self.values, self.start_N, self.length_N, rows_B)


class WordRows(Rows):
    """``words``: Steps with x long [B, L, 1], numbers into ``vocab``. ``unread``: row -> why its
    words say nothing to the encoder that prepared it.
    """

    def __init__(
        self,
        spec: StreamSpec,
        values: Tensor,
        start_N: Tensor,
        length_N: Tensor,
        vocab: Sequence[str],
    ) -> None:
        super().__init__(spec, start_N, length_N)
        self.values, self.vocab = values, tuple(vocab)
        self.unread: dict[int, str] = {}

    def __getitem__(self, rows_B: Tensor) -> Steps:
        ids_BL, mask_BL = gather(self.values, self.start_N, self.length_N, rows_B)
        return Steps(ids_BL[:, :, None].long(), mask_BL)


class TextRows(Rows):
    """``strings`` and ``clip``: ``rows[rows_B]`` is a list of str (transcripts or paths), None
    where there is none.
    """

    def __init__(self, spec: StreamSpec, values: np.ndarray, length_N: Tensor) -> None:
        super().__init__(spec, torch.arange(len(values)), length_N)
        self.values = values

    def __getitem__(self, rows_B: Tensor) -> list[str | None]:
        return [str(self.values[i]) if self.length_N[i] else None for i in rows_B.tolist()]


class TensorRows(NamedTuple):
    """What ``prepare()`` may return when it has made tensors, each [N, ...]; ``make`` builds the
    encoder's input of a batch.
    """

    tensors: tuple[Tensor, ...]
    make: Any

    def __len__(self) -> int:
        return len(self.tensors[0])

    def __getitem__(self, rows_B: Tensor) -> Any:  # type: ignore[override]
        return self.make(*(t[rows_B] for t in self.tensors))
