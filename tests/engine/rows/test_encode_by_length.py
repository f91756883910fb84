"""Rows of like length share a batch: every row once, within the budget, and with the values that it
has alone.
"""

from __future__ import annotations

import threading

import numpy as np
import pytest
import torch

from merbench.api import RunError, Steps
from merbench.engine.rows import encode_by_length
from merbench.engine.rows.encode_by_length import encode, shards

CPU = torch.device("cpu")


class Numbers:
    """Row i is i, repeated i % 7 times."""

    def __init__(self, count):
        self.length_N = torch.arange(count) % 7

    def __len__(self):
        return len(self.length_N)

    def __getitem__(self, rows_B):
        length_B = self.length_N[rows_B]
        mask_BL = torch.arange(max(1, int(length_B.max()))) < length_B[:, None]
        return Steps(rows_B[:, None, None].expand(*mask_BL.shape, 1).float(), mask_BL)


class Clips(Numbers):
    """The same, decoded row by row."""

    def __init__(self, count):
        super().__init__(count)
        self.lengths, self.threads = self.length_N, set()
        del self.length_N

    def __len__(self):
        return len(self.lengths)

    def decode(self, row):
        self.threads.add(threading.get_ident())
        return torch.full((int(self.lengths[row]),), float(row)) if self.lengths[row] else None

    def make(self, values):
        rows = [torch.zeros(0) if value is None else value for value in values]
        x_BL = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True)
        length_B = torch.tensor([len(row) for row in rows])
        width = max(1, x_BL.shape[1])
        x_BL = torch.nn.functional.pad(x_BL, (0, width - x_BL.shape[1]))
        return Steps(x_BL[..., None], torch.arange(width) < length_B[:, None])


class Counting:
    """Hands its input on, and remembers how much it was given at once."""

    def __init__(self, budget=None, most=None):
        if budget:
            self.steps_at_once = budget
        self.most, self.given = most, []

    def __call__(self, inputs):
        steps = inputs.mask_BL.numel()
        if self.most and steps > self.most:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to ...")
        self.given.append(steps)
        return inputs


@pytest.mark.parametrize("kind", [Numbers, Clips])
@pytest.mark.parametrize("budget", [None, 5, 40])
def test_each_row_comes_back_in_its_place(kind, budget, monkeypatch):
    monkeypatch.setattr(encode_by_length, "BATCHES", 2)
    monkeypatch.setattr(encode_by_length, "DECODED", 32)
    encoder, prepared = Counting(budget), kind(75)
    rows_of_shard = shards(encoder, prepared)
    wanted = [2, 0] if kind is Numbers else [0, 2]
    for number, values, length in encode(encoder, prepared, wanted, CPU):
        rows = rows_of_shard[number].numpy()
        np.testing.assert_array_equal(length, rows % 7)
        np.testing.assert_array_equal(values[:, 0], np.repeat(rows, rows % 7))
    assert max(encoder.given) <= max(6, budget or encode_by_length.ROWS_AT_ONCE * 6)
    if kind is Clips:
        assert threading.get_ident() not in prepared.threads


@pytest.mark.parametrize("budget", [1, 5, 40, 10**6])
def test_a_shard_has_the_rows_that_fill_its_batches(budget, monkeypatch):
    monkeypatch.setattr(encode_by_length, "BATCHES", 2)
    prepared = Numbers(75)
    rows_of_shard = shards(Counting(budget), prepared)
    assert torch.cat(rows_of_shard).tolist() == list(range(75))
    steps_of_shard = [int(prepared.length_N[rows].clamp(min=1).sum()) for rows in rows_of_shard]
    # Two batches of steps, and a row more or less where they end.
    assert all(steps <= 2 * budget + 6 for steps in steps_of_shard)
    assert all(steps > 2 * budget - 6 for steps in steps_of_shard[:-1])


@pytest.mark.parametrize("kind, size", [(Numbers, 32), (Clips, 64)])
def test_without_a_budget_a_shard_is_a_number_of_rows(kind, size, monkeypatch):
    monkeypatch.setattr(encode_by_length, "BATCHES", 2)
    assert [len(rows) for rows in shards(Counting(), kind(75))] == [size] * (75 // size) + [
        75 % size
    ]


def test_what_memory_does_not_hold_goes_through_in_halves():
    encoder = Counting(budget=64, most=20)
    ((_, values, length),) = encode(encoder, Numbers(40), [0], CPU)
    rows = np.arange(40)
    np.testing.assert_array_equal(length, rows % 7)
    np.testing.assert_array_equal(values[:, 0], np.repeat(rows, rows % 7))
    assert max(encoder.given) <= 20


def test_a_row_that_memory_does_not_hold_alone_is_one_sentence():
    with pytest.raises(RunError, match=r"a row of 6 steps does not fit into memory; let the enc"):
        list(encode(Counting(budget=64, most=5), Numbers(40), [0], CPU))


def test_another_error_is_not_taken_for_a_lack_of_memory():
    class Broken(Counting):
        def __call__(self, inputs):
            raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    with pytest.raises(RuntimeError, match="mat1 and mat2"):
        list(encode(Broken(), Numbers(4), [0], CPU))
