"""Batches of rows of like length: every row once an epoch, little padding, nothing else changed."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from merbench.api import Output, TrainConfig
from merbench.engine.rows.batches import POOL, lengths, of_like_length, within_budget
from merbench.engine.rows.splits import CLIPS_AT_ONCE, USUAL_STEPS, SplitData
from merbench.engine.training.evaluate import predict, weights_digest
from merbench.engine.training.train import fit
from merbench.testing import tiny

AUDIO = tiny.context("score", ("audio",)).streams["audio"]


def drawn(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def padded(batches, length_N) -> int:
    return sum(len(rows) * int(length_N[rows].max()) for rows in batches)


@given(st.integers(1, 300), st.integers(1, 9), st.integers(0, 99))
def test_every_row_once_in_as_many_batches_as_without(rows, size, seed):
    length_N = torch.randint(0, 60, (rows,), generator=drawn(seed))
    batches = of_like_length(length_N, size, drawn(seed))
    assert sorted(torch.cat(batches).tolist()) == list(range(rows))
    assert len(batches) == -(-rows // size)
    assert sorted(map(len, batches)) == sorted(map(len, torch.arange(rows).split(size)))


def test_half_of_the_steps_are_saved_and_rows_meet_others_in_each_epoch():
    length_N = ((0.7 * torch.randn(1284, generator=drawn(0))).exp() * 12).ceil().long()
    epochs = [of_like_length(length_N, 32, drawn(seed)) for seed in (1, 2)]
    apart = torch.randperm(1284, generator=drawn(1)).split(32)
    assert padded(epochs[0], length_N) < 0.5 * padded(apart, length_N)
    assert padded(epochs[0], length_N) < 1.35 * int(length_N.sum())
    company = [
        {int(row): set(rows.tolist()) for rows in batches for row in rows} for batches in epochs
    ]
    shared = [len(company[0][row] & company[1][row]) / 32 for row in range(1284)]
    assert np.mean(shared) < 0.6 and POOL * 32 < 1284
    # The long ones do not come last, nor first.
    longest = [int(length_N[rows].max()) for rows in epochs[0]]
    assert abs(np.corrcoef(np.arange(len(longest)), longest)[0, 1]) < 0.4


def split(size: int, seed: int) -> SplitData:
    rows = tiny.rows(AUDIO, size, seed, longest=9)
    return SplitData(
        {"audio": rows}, torch.randn(size, generator=drawn(seed)), None, torch.device("cpu")
    )


class Mean(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.out = nn.Linear(width, 1)
        self.longest: list[int] = []

    def forward(self, batch):
        steps = batch.inputs["audio"]
        self.longest.append(steps.mask_BL.shape[1])
        weight_BL1 = steps.mask_BL[..., None] / steps.mask_BL.sum(1).clamp(min=1)[:, None, None]
        return Output(self.out((steps.x_BLD * weight_BL1).sum(1)))


class Squared(nn.Module):
    def forward(self, model, batch, out, at):
        return {"mse": (out.logits_BC[:, 0] - batch.target).square().mean()}


def test_predictions_stand_in_their_order_whatever_the_batches():
    data = split(50, 0)
    model = Mean(data.inputs["audio"].spec.width)
    apart = predict(model, data, tiny.SPACES["score"], 8)
    before, model.longest = model.longest, []
    together = predict(model, data, tiny.SPACES["score"], 8, by_length=True)
    np.testing.assert_allclose(together, apart, rtol=1e-5, atol=1e-6)
    assert sum(model.longest) < sum(before)
    assert model.longest == sorted(model.longest, reverse=True)
    # As many batches as the steps need, not as many as the rows.
    length_n = data.length_N.numpy()
    assert len(model.longest) == len(within_budget(length_n, 8 * USUAL_STEPS))


@pytest.mark.parametrize("by_length", [False, True])
@pytest.mark.parametrize("kind", ["score", "class", "multilabel", "joint"])
def test_a_split_without_rows_has_no_predictions(kind, by_length):
    space, data = tiny.SPACES[kind], split(0, 0)
    columns = {"score": (), "joint": (1 + len(tiny.SPACES["multilabel"].words),)}
    predictions = predict(nn.Identity(), data, space, by_length=by_length)
    assert predictions.shape == (0, *columns.get(kind, (len(space.words),)))
    assert predictions.dtype == np.float64


def test_the_loop_takes_them_where_asked_and_is_what_it_was_where_not():
    digests = {}
    for by_length in (False, True, True):
        torch.manual_seed(0)
        data = split(40, 0)
        model = Mean(data.inputs["audio"].spec.width)
        config = TrainConfig(epochs=2, batch_size=8, by_length=by_length)
        fit(
            model,
            {"task": Squared()},
            data,
            split(9, 1),
            space=tiny.SPACES["score"],
            config=config,
        )
        digests.setdefault(by_length, []).append((weights_digest(model), sum(model.longest)))
    (apart,), (first, again) = digests[False], digests[True]
    assert first == again and first[0] != apart[0] and first[1] < apart[1]
    assert "by_length" not in TrainConfig().identity()


def test_rows_whose_length_nobody_knows_are_batched_as_without():
    class Unknown:
        def __len__(self):
            return 4

    assert lengths({"text": Unknown()}) is None
    data = split(6, 0)
    both = lengths({"text": Unknown(), "audio": data.inputs["audio"]})
    assert both.tolist() == data.inputs["audio"].length_N.tolist()


@given(st.lists(st.integers(0, 50), min_size=1, max_size=60), st.integers(1, 120))
def test_batches_within_a_budget_hold_every_row_once(steps, budget):
    steps_n = np.array(steps)
    batches = within_budget(steps_n, budget)
    assert sorted(np.concatenate(batches).tolist()) == list(range(len(steps)))
    longest = [max(1, steps_n[places].max()) for places in batches]
    assert longest == sorted(longest, reverse=True)
    for places, most in zip(batches, longest, strict=True):
        assert len(places) == 1 or len(places) * most <= budget
    # No batch could have taken the next row, which is no longer than its own.
    for places, most in zip(batches[:-1], longest, strict=False):
        assert (len(places) + 1) * most > budget


def test_an_example_within_a_budget():
    assert [places.tolist() for places in within_budget(np.array([3, 9, 2]), 6)] == [[1], [0, 2]]


class Clips:
    """Rows whose clips are decoded for a batch."""

    def __init__(self, n):
        self.n = n

    def __len__(self):
        return self.n

    def decode(self, row):
        return row

    def __getitem__(self, rows_B):
        return rows_B


@pytest.mark.parametrize("by_length", [False, True])
def test_few_clips_are_in_memory_at_once(by_length):
    split = SplitData({"audio": Clips(40)}, torch.zeros(40), None, torch.device("cpu"))
    sizes = [len(batch.ids_B) for batch in split.batches(256, by_length)]
    assert sizes == [CLIPS_AT_ONCE, CLIPS_AT_ONCE, 40 - 2 * CLIPS_AT_ONCE]
