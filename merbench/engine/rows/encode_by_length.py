"""Rows of like length go through a frozen encoder together.

Rows are taken shard by shard (what is written, and found again by a resumed job), each of as many
rows as fill some batches. Inside a shard they are sorted by their steps and cut into batches of at
most ``encoder.steps_at_once`` steps, padding included, and of at least one row. So little is
padded, and memory follows the longest row, not a multiple of it. Who shares a batch follows from
the shard alone: a resumed job makes the same bits.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np
import torch
from torch import Tensor

from merbench.api import Prepared, RunError
from merbench.engine.rows.batches import within_budget
from merbench.engine.rows.splits import to_device

BATCHES, DECODED = 32, 64
"""Of a shard: full batches, where the steps of rows are known; rows, where they are known once a
clip is decoded. 3,000 texts of MOSEI are padded by .06 so, and by .21 in shards of 512 rows.
"""
ROWS_AT_ONCE = 16
"""Of an encoder that says nothing about steps."""


def shards(encoder: Any, prepared: Prepared) -> list[Tensor]:
    """All rows, in their order."""
    rows = torch.arange(len(prepared))
    if not hasattr(prepared, "length_N"):
        return list(rows.split(DECODED))
    budget = getattr(encoder, "steps_at_once", None)
    if budget is None:
        return list(rows.split(BATCHES * ROWS_AT_ONCE))
    steps_N = prepared.length_N.clamp(min=1).cumsum(0)
    number_N = (steps_N - 1).div(BATCHES * budget, rounding_mode="floor")
    return list(rows.split(number_N.unique_consecutive(return_counts=True)[1].tolist()))


def encode(
    encoder: Any, prepared: Prepared, numbers: Sequence[int], device: torch.device
) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
    """(shard number, values [t, D], length [n]) of each of ``numbers``; the next clips are decoded
    while one shard is in the encoder.
    """
    rows = shards(encoder, prepared)
    reader: type[_Decoded] | type[_Indexed] = _Decoded if hasattr(prepared, "decode") else _Indexed
    sources: Iterable[_Decoded | _Indexed] = reader.read(prepared, [rows[n] for n in numbers])
    for number, source in zip(numbers, sources, strict=True):
        if source.steps_n is None:
            steps_n, budget = np.ones(len(rows[number]), np.int64), None
        else:
            steps_n, budget = source.steps_n, getattr(encoder, "steps_at_once", None)
        outputs: list[np.ndarray] = [np.empty(0)] * len(steps_n)
        for batch_rows in within_budget(
            steps_n, budget or ROWS_AT_ONCE * int(max(1, steps_n.max()))
        ):
            encoded = _through(encoder, source.inputs, batch_rows, steps_n, device)
            for row, values in zip(batch_rows.tolist(), encoded, strict=True):
                outputs[row] = values
        yield number, np.concatenate(outputs), np.array([len(values) for values in outputs])


def _through(
    encoder: Any,
    inputs: Callable[[np.ndarray], Any],
    batch_rows: np.ndarray,
    steps_n: np.ndarray,
    device: torch.device,
) -> list[np.ndarray]:
    """[t, D] of each row; in halves where memory does not suffice for all of them."""
    try:
        with torch.inference_mode():
            x_BLD, mask_BL = encoder(to_device(inputs(batch_rows), device))
            values = x_BLD[mask_BL].float().cpu().numpy()
            return np.split(values, mask_BL.sum(1).cumsum(0)[:-1].cpu().numpy())
    except (RuntimeError, MemoryError) as error:
        if not _out_of_memory(error):
            raise
        if len(batch_rows) == 1:
            raise RunError(
                f"a row of {int(steps_n[batch_rows[0]]):,} steps does not fit into memory; let the "
                "encoder keep less of a row (such as --set encoder.audio.longest=20)"
            ) from error
    # Out here, where the failed pass no longer holds its tensors.
    if device.type == "cuda":
        torch.cuda.empty_cache()
    half = len(batch_rows) // 2
    return [
        values
        for part in (batch_rows[:half], batch_rows[half:])
        for values in _through(encoder, inputs, part, steps_n, device)
    ]


def _out_of_memory(error: Exception) -> bool:
    if isinstance(error, (torch.OutOfMemoryError, MemoryError)):
        return True
    return "allocate memory" in str(error)  # torch, on a CPU


class _Indexed:
    """A shard of rows that are indexed at once: texts, words, features."""

    def __init__(self, prepared: Prepared, rows: Tensor) -> None:
        self.prepared, self.rows = prepared, rows
        length_N = getattr(prepared, "length_N", None)
        self.steps_n = None if length_N is None else length_N[rows].numpy()

    def inputs(self, batch_rows: np.ndarray) -> Any:
        return self.prepared[self.rows[torch.from_numpy(batch_rows)]]

    @classmethod
    def read(cls, prepared: Prepared, shards: Sequence[Tensor]) -> Iterator[_Indexed]:
        for rows in shards:
            yield cls(prepared, rows)


class _Decoded:
    """A shard of clips, each decoded by itself: a long one holds up no other."""

    def __init__(self, prepared: Any, values: list[Any]) -> None:
        self.prepared, self.decoded = prepared, values
        self.steps_n = np.array([0 if value is None else len(value) for value in values])

    def inputs(self, batch_rows: np.ndarray) -> Any:
        return self.prepared.make([self.decoded[row] for row in batch_rows.tolist()])

    @classmethod
    def read(cls, prepared: Any, shards: Sequence[Tensor]) -> Iterator[_Decoded]:
        """Up to a shard ahead, in threads: decoders work without Python's lock."""
        rows = [row for shard in shards for row in shard.tolist()]
        with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
            waiting: deque[Future[Any]] = deque()
            try:
                upcoming = iter(rows)
                for shard in shards:
                    for row in upcoming:
                        waiting.append(pool.submit(prepared.decode, row))
                        if len(waiting) >= len(shard) + DECODED:
                            break
                    yield cls(prepared, [waiting.popleft().result() for _ in range(len(shard))])
            finally:
                for future in waiting:
                    future.cancel()
